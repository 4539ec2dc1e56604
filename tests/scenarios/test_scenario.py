"""The whole scenario (poc/scenario.yaml) in plain namespaces: the rows that ``make demo`` and the docker lab run, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from poc.checks import Outcome, run_all
from poc.namespaces import Namespaces
from poc.rows import NUMBERS, ROWS
from poc.rows.applied import applied
from poc.scene import CONFIGURATION, Scene, without

pytestmark = pytest.mark.root

TUNNELS = ("14", "15", "16", "17", "18")
OTHERS = ("ni1", "ni2", "ni3", "ni6")
"""Instances without tunnels."""


def whole() -> str:
    return CONFIGURATION.read_text()


def tunnels() -> str:
    """What is left of the file without the other instances."""
    text = whole()
    for name in OTHERS:
        text = without(text, name)
    return text


@contextmanager
def published(text: str) -> Iterator[tuple[Scene, list[Outcome]]]:
    """The scene, and what was seen when this was published."""
    with Namespaces() as scene:
        yield scene, list(run_all(applied(scene, text)))


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[Scene, list[Outcome]]]:
    with published(whole()) as made:
        yield made


def failed(outcomes: list[Outcome]) -> list[str]:
    return [f"{one.what}: expected {one.expected!r}, seen {one.seen!r}" for one in outcomes if not one.passed]


def test_it_is_published(scene: tuple[Scene, list[Outcome]]) -> None:
    assert failed(scene[1]) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_row(scene: tuple[Scene, list[Outcome]], number: str) -> None:
    """Each row by itself, in one scene; without the configuration none."""
    where, first = scene
    assert failed(first) == [], "the configuration"
    outcomes = list(run_all(ROWS[number](where)))
    assert outcomes
    assert failed(outcomes) == []


@pytest.mark.fullkernel
def test_tunnels_of_the_kernel() -> None:
    """The rows of IPsec with nothing beside them, where the kernel has ESP: it encrypts, at both ends."""
    with published(tunnels()) as (where, first):
        assert failed(first) == []
        for number in TUNNELS:
            assert failed(list(run_all(ROWS[number](where)))) == [], f"row {number}"
        backends = {where.status(name)["vpn"]["ipsec"][0]["backend"] for name in ("ni4", "ni5")}
        assert backends == {"kernel"}
        assert all("esp" in cloud.run(["ip", "xfrm", "state"]).stdout for cloud in where.clouds.values())

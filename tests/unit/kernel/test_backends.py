"""Which backends are used, of those that work."""

from __future__ import annotations

import itertools

import pytest

from netnsmgr.kernel.backends import BACKENDS, CHARON, CHARONS_ESP, ESP, WIREGUARD, WIREGUARD_GO, chosen
from netnsmgr.kernel.scratch import Probe


@pytest.mark.parametrize(
    ("works", "esp", "wireguard"),
    [
        (BACKENDS, "kernel", "kernel"),
        ((CHARON, CHARONS_ESP, WIREGUARD_GO), "libipsec", "wireguard-go"),
        ((CHARON, ESP), "kernel", ""),
        ((ESP, CHARONS_ESP, WIREGUARD), "", "kernel"),
        ((CHARON,), "", ""),
    ],
)
def test_the_kernel_first(works: tuple[Probe, ...], esp: str, wireguard: str) -> None:
    """The kernel's where it works; without charon there is no IPsec at all."""
    outcomes = {probe: (probe in works, "") for probe in BACKENDS}
    assert chosen(outcomes) == {"esp": esp, "wireguard": wireguard}


def test_what_was_not_tried_does_not_work() -> None:
    """In whatever combination, only what has worked is chosen."""
    for outcome in itertools.product((True, False, None), repeat=len(BACKENDS)):
        found = chosen({probe: (ok, "") for probe, ok in zip(BACKENDS, outcome, strict=True)})
        worked = {probe for probe, ok in zip(BACKENDS, outcome, strict=True) if ok}
        assert (found["wireguard"] == "kernel") == (WIREGUARD in worked)
        assert bool(found["esp"]) == (CHARON in worked and bool(worked & {ESP, CHARONS_ESP}))

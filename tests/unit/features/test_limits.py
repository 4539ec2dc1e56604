"""What one application may do: the page says what the source says, and each kind of too much has its words."""

from __future__ import annotations

from typing import get_args

import pytest

from netnsmgr.agent.limits import OVER_SECONDS, LimitWatch
from netnsmgr.config.limits import Limits
from netnsmgr.config.tree import fields
from netnsmgr.core.agreed import Limited
from netnsmgr.features.acl import limits
from netnsmgr.features.dnsmasq import QUESTIONS
from netnsmgr.services.metadata import limits as metadata
from tests.rooms import ROOT

PAGE = (ROOT / "docs/limits.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", get_args(Limited))
def test_words(kind: str) -> None:
    """Each is a sentence with its bounds."""
    said = limits.words(kind, Limits(dns=7, new_flows=8, flows=9, broadcasts=10, multicasts=11))
    assert said.startswith("floods: more than ")
    assert any(character.isdigit() for character in said)
    assert "limits.newFlows" in limits.words("flows", Limits())


def test_the_page_has_the_defaults() -> None:
    """A default that is changed is changed there, too; each field is there."""
    for name, default in Limits().model_dump(by_alias=True).items():
        (line,) = (line for line in PAGE.splitlines() if f"| `limits.{name}` |" in line)
        assert f"| {default}" in line, line
    fixed = (
        f"| {limits.DHCP} a second | {limits.DHCP_BURST} |",
        f"| {limits.DNS_OPEN} at a time |",
        f"| {limits.METADATA} a second | {limits.METADATA_BURST} |",
        f"| {limits.METADATA_OPEN} at a time |",
        f"| {limits.MACS} new ones a second; forgotten after 5 minutes | {limits.MACS_BURST} |",
        f"| {limits.HOPS} a second, burst {limits.HOPS_BURST} |",
        f"| {QUESTIONS} |",
        f"| {metadata.RATE:.0f} a second, burst {metadata.BURST:.0f} |",
    )
    assert [each for each in fixed if each not in PAGE] == []
    assert fields(Limits)


def test_a_flood_is_told_once_and_is_over() -> None:
    """Signs of one flood are one event; without them it is over."""
    now = 0.0
    watch = LimitWatch(lambda: now)
    told: list[tuple[str, str, str]] = []
    watch.tell = lambda *said: told.append(said)
    watch._groups = {7: "app1/eth0"}
    assert watch._heard("app1/eth0", "dns", now)
    assert not watch._heard("app1/eth0", "dns", now)
    assert [(about, reason) for about, reason, _ in told] == [("App/app1/eth0", "Flooding")]
    assert watch.reasons("app1/eth0") == [limits.words("dns", Limits())]
    assert watch.reasons("app2/eth0") == []
    now = OVER_SECONDS - 1
    assert not watch._heard("app1/eth0", "dns", now)
    assert watch._ends == {("app1/eth0", "dns"): now + OVER_SECONDS}
    assert len(told) == 1

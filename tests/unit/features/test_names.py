"""Names, addresses and facts that features make up: valid, unique, always the same."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config.app import mac_of
from netnsmgr.core.linkname import IFNAMSIZ, short_name
from netnsmgr.features.bridge import bridge_mac
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.scope import LINK_PREFIX

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?", fullmatch=True)
MAC = re.compile(r"02(:[0-9a-f]{2}){5}")


@given(NAMES, st.sampled_from(["", LINK_PREFIX]))
def test_a_short_name_fits_into_the_kernel_s_field(name: str, prefix: str) -> None:
    """A link's name has at most 15 bytes and begins with its prefix; one that fits is left as it is."""
    short = short_name(prefix, name)
    assert len(short.encode()) <= IFNAMSIZ
    assert short.startswith(prefix)
    assert short == prefix + name or len(prefix + name) > IFNAMSIZ
    assert short == short_name(prefix, name)


@given(st.sets(NAMES, min_size=2, max_size=50), st.sampled_from(["", LINK_PREFIX]))
def test_short_names_are_unique(names: set[str], prefix: str) -> None:
    """Different names have different short names."""
    assert len({short_name(prefix, name) for name in names}) == len(names)


def test_short_names_of_many_alike_are_unique() -> None:
    """Thousands of names that differ only at their end, as a fleet's do, have different short names."""
    names = [f"application-{number}.eth{port}" for number in range(4000) for port in range(2)]
    assert len({short_name("", name) for name in names}) == len(names)


@given(NAMES)
def test_a_bridge_s_mac_is_local_unicast_and_fixed(name: str) -> None:
    """A bridge's MAC is of the range that nobody sells (bit 2 of the first byte), no group address, and the same
    each time; it is not one that an application of the same name would get."""
    mac = bridge_mac(name)
    assert MAC.fullmatch(mac)
    assert mac == bridge_mac(name)
    assert mac != mac_of(name, name, "eth0")


class TestLinkFacts:
    def test_before_the_uplink_agent_has_spoken(self) -> None:
        """Without a row the link is pending, and says whom it waits for."""
        facts = LinkFacts.of(None)
        assert (facts.state, facts.mtu) == ("pending", 1500)
        assert facts.reasons == ("the uplink agent has not answered yet",)

    def test_of_several_ports(self) -> None:
        """Servers come in the order of the ports, each once; the MTU is the smallest."""
        ports = [
            {"name": "eth0", "dns": ["1.1.1.1", "9.9.9.9"], "ntp": ["10.0.0.1"], "mtu": 1500},
            {"name": "lte", "dns": ["9.9.9.9", "8.8.8.8"], "ntp": [], "mtu": 1430},
        ]
        facts = LinkFacts.of({"revision": 7, "state": "ready", "reasons": ["r"], "ports": ports})
        mtus = (("eth0", 1500), ("lte", 1430))
        dns = ("1.1.1.1", "9.9.9.9", "8.8.8.8")
        assert facts == LinkFacts(7, "ready", ("r",), dns, ("10.0.0.1",), 1430, mtus=mtus)

    def test_of_no_port(self) -> None:
        """An air-gapped instance has no servers and the usual MTU."""
        facts = LinkFacts.of({"revision": 1, "state": "ready", "reasons": [], "ports": []})
        assert (facts.dns, facts.ntp, facts.mtu) == ((), (), 1500)

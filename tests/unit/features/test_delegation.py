"""Parts of delegated prefixes: who has which, for how long, and what is said to those who have none."""

from __future__ import annotations

from ipaddress import IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.features.delegation import FORMER_SECONDS, Share, share_out
from netnsmgr.features.nets import Delegated

NOW = 1000
SITE, OTHER = "2001:db8:100::/62", "2001:db8:200::/62"


def offer(prefix: str, preferred: int = 0, valid: int = 0) -> Delegated:
    return Delegated(IPv6Network(prefix), preferred, valid)


def parts(share: Share) -> list[str]:
    return [str(part.prefix) for part in share.parts]


def test_each_gets_a_part_and_keeps_it() -> None:
    """The lowest free number, whoever comes and goes; a renewal changes nothing but the times."""
    offers = {"eth0": [offer(SITE, 2000, 3000)]}
    found, said = share_out({}, {"a": ["eth0"], "b": ["eth0"]}, offers, NOW)
    assert (parts(found["a"]), parts(found["b"])) == (["2001:db8:100::/64"], ["2001:db8:100:1::/64"])
    assert said == {}
    found, _ = share_out(found, {"b": ["eth0"], "c": ["eth0"]}, offers, NOW)
    assert (parts(found["b"]), parts(found["c"])) == (["2001:db8:100:1::/64"], ["2001:db8:100::/64"])
    later, _ = share_out(
        found, {"b": ["eth0"], "c": ["eth0"]}, {"eth0": [offer(SITE, 5000, 6000)]}, NOW + 500
    )
    assert later["b"].parts == (Delegated(IPv6Network("2001:db8:100:1::/64"), 5000, 6000),)


def test_another_prefix() -> None:
    """The part with the same number of the new one; the old one ends now for new flows, and in two hours for all."""
    wants = {"a": ["eth0"], "b": ["eth0"]}
    found, _ = share_out({}, wants, {"eth0": [offer(SITE)]}, NOW)
    found, _ = share_out(found, wants, {"eth0": [offer(OTHER)]}, NOW)
    assert parts(found["b"]) == ["2001:db8:200:1::/64", "2001:db8:100:1::/64"]
    assert found["b"].parts[1] == Delegated(IPv6Network("2001:db8:100:1::/64"), NOW, NOW + FORMER_SECONDS)
    again, _ = share_out(found, wants, {"eth0": [offer(OTHER)]}, NOW + 60)
    assert again == found
    back, _ = share_out(found, wants, {"eth0": [offer(SITE)]}, NOW + 60)
    assert parts(back["b"]) == ["2001:db8:100:1::/64", "2001:db8:200:1::/64"]
    over, _ = share_out(found, wants, {"eth0": [offer(OTHER)]}, NOW + FORMER_SECONDS)
    assert parts(over["b"]) == ["2001:db8:200:1::/64"]


def test_of_two_the_preferred_one() -> None:
    """A network that renumbers delegates both for a while, the old one without a preferred lifetime."""
    found, _ = share_out({}, {"a": ["eth0"]}, {"eth0": [offer(SITE, 5000, 9000)]}, NOW)
    both = {"eth0": [offer(SITE, NOW, 9000), offer(OTHER, 5000, 9000)]}
    found, _ = share_out(found, {"a": ["eth0"]}, both, NOW)
    assert parts(found["a"]) == ["2001:db8:200::/64", "2001:db8:100::/64"]


def test_what_is_said_to_those_who_have_none() -> None:
    """Whether anybody has answered at all, by any of the ports."""
    for ports, offers, expected in (
        (["eth0", "eth1"], {}, " of port eth0 or eth1 (asked for by DHCPv6; no answer yet)"),
        (["eth0"], {"eth0": []}, " of port eth0 (asked for by DHCPv6; the answer has none)"),
        (["eth0"], {"eth1": [offer(SITE)]}, " of port eth0 (asked for by DHCPv6; no answer yet)"),
        ([], {}, " (no port of the instance is there)"),
    ):
        assert share_out({}, {"a": ports}, offers, NOW) == ({}, {"a": f"prefix{expected}"})


def test_nobody_answers() -> None:
    """A part goes on until its own end, and its number is kept: also over a reboot, which forgets the times."""
    found, _ = share_out({}, {"z": ["eth0"], "a": ["eth0"]}, {"eth0": [offer(SITE, 2000, 3000)]}, NOW)
    kept, said = share_out(found, {"a": ["eth0"]}, {}, NOW + 100)
    assert (kept["a"], said) == (found["a"], {})
    over, said = share_out(found, {"a": ["eth0"]}, {}, 3000)
    assert over["a"] == Share("eth0", 1)
    assert said == {"a": "prefix of port eth0 (asked for by DHCPv6; no answer yet)"}
    again, _ = share_out(over, {"b": ["eth0"], "a": ["eth0"]}, {"eth0": [offer(SITE)]}, 4000)
    assert (parts(again["a"]), parts(again["b"])) == (["2001:db8:100:1::/64"], ["2001:db8:100::/64"])


def test_too_little() -> None:
    """What is delegated, for how many it is, and who has it."""
    wants = {"a": ["eth0"], "b": ["eth0"], "c": ["eth0"]}
    _, said = share_out({}, wants, {"eth0": [offer("2001:db8:1::/63")]}, NOW)
    assert said == {
        "c": "prefix of port eth0 (delegated 2001:db8:1::/63 has room for 2 instances; a, b have them)"
    }
    _, said = share_out({}, {"a": ["eth0"]}, {"eth0": [offer("2001:db8:1::/72")]}, NOW)
    assert said == {
        "a": "prefix of port eth0 (delegated 2001:db8:1::/72 is longer than /64, and cannot be divided)"
    }


def test_the_first_port_that_has_one() -> None:
    """Ports are asked in the instance's order; who has been at one stays there."""
    offers = {"eth1": [offer(OTHER)]}
    found, _ = share_out({}, {"a": ["eth0", "eth1"]}, offers, NOW)
    assert found["a"].port == "eth1"
    found, _ = share_out(found, {"a": ["eth0", "eth1"]}, offers | {"eth0": [offer(SITE)]}, NOW)
    assert found["a"].port == "eth1"
    found, _ = share_out(found, {"a": ["eth0"]}, offers | {"eth0": [offer(SITE)]}, NOW)
    assert parts(found["a"]) == ["2001:db8:100::/64", "2001:db8:200::/64"]


@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from("abcdef")), st.sampled_from([SITE, OTHER, "2001:db8:300::/64", None])
        ),
        max_size=6,
    )
)
def test_no_two_have_the_same(steps: list[tuple[set[str], str | None]]) -> None:
    """Whatever comes and goes, present parts are disjoint, and asking twice changes nothing."""
    found: dict[str, Share] = {}
    for names, prefix in steps:
        wants = {name: ["eth0"] for name in sorted(names)}
        offers = {"eth0": [offer(prefix, 10000, 20000)]} if prefix else {}
        found, said = share_out(found, wants, offers, NOW)
        assert share_out(found, wants, offers, NOW) == (found, said)
        present = [share.parts[0].prefix for share in found.values() if share.parts]
        assert len(set(present)) == len(present)
        assert all(name in said or found[name].parts for name in wants)

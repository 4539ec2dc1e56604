"""Properties of access rules over generated ones."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config import parse
from netnsmgr.config.acl import AclRule
from netnsmgr.config.acl_values import ICMP_TYPES, ICMPV6_TYPES
from netnsmgr.core.protocols import PROTOCOLS

PORT = st.integers(1, 65535)
RANGE = PORT | PORT.map(str) | st.tuples(PORT, PORT).map(lambda ends: f"{min(ends)}-{max(ends)}")
PREFIX = (
    st.ip_addresses(v=4).map(str)
    # An IPv4 address in an IPv6 one is refused.
    | st.ip_addresses(v=6).map(str).filter(lambda text: not text.startswith("::ffff:"))
    | st.integers(0, 32).map("0.0.0.0/{}".format)
)
PREFIX |= st.integers(3, 64).map("2000::/{}".format) | st.just("10.20.0.0/16")


def some(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return one of something, or a list of some."""
    return one | st.lists(one, min_size=1, max_size=3)


REMOTE = st.fixed_dictionaries(
    {}, optional={"ip": some(PREFIX), "host": st.sampled_from(["example.com", "A.b.", "x"])}
) | st.just({"eidset": True})
WITH_PORTS = st.fixed_dictionaries(
    {"protocol": st.sampled_from(["tcp", "UDP", "sctp", 33, 136])},
    optional={"lport": some(RANGE), "fport": some(RANGE)},
)
OTHER = st.fixed_dictionaries({}, optional={"protocol": st.sampled_from([*PROTOCOLS, 0, 255])})
V4 = some(st.sampled_from([*ICMP_TYPES]) | st.integers(0, 255))
V6 = some(st.sampled_from([*ICMPV6_TYPES]) | st.integers(0, 255))
ICMP = st.fixed_dictionaries({"icmp": V4}, optional={"protocol": st.sampled_from(["icmp", 1])})
ICMPV6 = st.fixed_dictionaries({"icmp": V6, "protocol": st.sampled_from(["icmpv6", 58])})
MATCH = st.builds(lambda a, b: {**a, **b}, REMOTE, WITH_PORTS | OTHER | ICMP | ICMPV6)

PER = st.fixed_dictionaries({}, optional={"per": st.sampled_from(["rule", "connection"])})
TIME = st.sampled_from(["second", "minute", "hour"])
PACKETS = st.fixed_dictionaries(
    {"rate": st.builds("{}/{}".format, st.integers(1, 10**9), TIME)},
    optional={"burst": st.integers(1, 10**6)},
)
BYTES = st.fixed_dictionaries(
    {"rate": st.builds("{} {}/{}".format, st.integers(1, 2000), st.sampled_from(["bytes", "kbytes"]), TIME)},
    optional={"burst": st.integers(1, 2000).map("{} kbytes".format)},
)
LIMIT = st.builds(lambda a, b: {"limit": {**a, **b}}, PACKETS | BYTES, PER)
RULE = st.fixed_dictionaries(
    {"id": st.integers(1, 2**24 - 1)},
    optional={
        "match": MATCH,
        "action": st.sampled_from(["allow", "drop", "reject"]) | LIMIT,
        "direction": st.sampled_from(["in", "out"]),
    },
)
PORT_MAP = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**24 - 1),
        "match": st.fixed_dictionaries(
            {"protocol": st.sampled_from(["tcp", "udp"]), "lport": PORT},
            optional={"ip": some(PREFIX), "adapter": st.sampled_from(["eth0", "up"])},
        ),
        "action": PORT.map(lambda port: {"portmap": port}),
    }
)


@given(RULE | PORT_MAP)
def test_round_trip(written: dict[str, Any]) -> None:
    """Every valid rule, written out as JSON and read again, is the same, and is written as the same text."""
    value = AclRule.model_validate(written, by_alias=True, by_name=False)
    text = json.dumps(value.model_dump(mode="json", by_alias=True))
    again = AclRule.model_validate(json.loads(text), by_alias=True, by_name=False)
    assert again == value
    assert hash(again) == hash(value)
    assert json.dumps(again.model_dump(mode="json", by_alias=True)) == text


@given(st.lists(RULE | PORT_MAP, min_size=1, max_size=4))
def test_round_trip_of_documents(rules: list[dict[str, Any]]) -> None:
    """So is an App with a list."""
    interface = {"name": "eth0", "network": "ni1", "acl": rules}
    document = {
        "apiVersion": "netnsmgr/v1alpha1",
        "kind": "App",
        "metadata": {"name": "app1"},
        "spec": {"attach": {"netns": "app1"}, "interfaces": [interface]},
    }
    config = parse([document])
    assert parse([config.apps["app1"].model_dump(mode="json", by_alias=True)]) == config
    assert [rule.id for rule in config.apps["app1"].spec.interfaces[0].acl or ()] == [
        rule["id"] for rule in rules
    ]

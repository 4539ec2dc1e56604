"""Random devices, switches and applications: whatever is wrong with them is told at a place, and what is right works."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config.check import check
from netnsmgr.config.load import load_text

PORTS = ["eth0", "eth1", "eth2", "v"]
WORDS = st.lists(st.sampled_from([*PORTS, "all", "field", "none"]), max_size=3, unique=True)
VLAN = st.fixed_dictionaries({"access": st.sampled_from([0, 1, 5, 4095])}) | st.fixed_dictionaries(
    {"trunk": st.lists(st.sampled_from([1, 5, 6]), max_size=2)}
)
PORT = st.fixed_dictionaries(
    {"labels": st.lists(st.sampled_from(["all", "field"]), max_size=2, unique=True)},
    optional={
        "dhcp": st.booleans(),
        "shared": st.booleans(),
        "mtu": st.sampled_from([1400, 9000]),
        "interface": st.sampled_from(["bn0", "a0.eth0", "nm-x", "enp3s0"]),
        "vlan": st.fixed_dictionaries(
            {"parent": st.sampled_from([*PORTS, "eht0"]), "id": st.sampled_from([5, 6])}
        ),
    },
)
NETWORK = st.fixed_dictionaries(
    {"type": st.sampled_from(["switch", "switch", "local"]), "ports": WORDS},
    optional={
        "subnets": st.just(["10.10.1.0/24"]),
        "mtu": st.just(1500),
        "vlans": st.dictionaries(st.sampled_from(PORTS), VLAN, max_size=2),
        "stp": st.fixed_dictionaries({"bpduGuard": WORDS}),
        "forward": st.just(["lldp"]),
        "tcpMssClamp": st.booleans(),
    },
)
INTERFACE = st.fixed_dictionaries(
    {"network": st.sampled_from(["n0", "n1", "n2"])},
    optional={
        "vlan": VLAN | st.none(),
        "etherTypes": st.just(["profinet"]) | st.none(),
        "address": st.just("10.10.1.9"),
        "acl": st.just(
            [
                {
                    "id": 1,
                    "match": {"protocol": "tcp", "lport": 80, "adapter": "eth1"},
                    "action": {"portmap": 80},
                }
            ]
        ),
    },
)


def envelope(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "netnsmgr/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@st.composite
def sites(draw: st.DrawFn) -> list[dict[str, Any]]:
    ports = [{"name": name, **draw(PORT)} for name in PORTS]
    device = envelope(
        "Device", "edge", {"ports": ports, **draw(st.sampled_from([{}, {"management": "eth1"}]))}
    )
    networks = [
        envelope("NetworkInstance", f"n{n}", spec)
        for n, spec in enumerate(draw(st.lists(NETWORK, max_size=3)))
    ]
    apps = [
        envelope("App", f"a{n}", {"attach": {"tap": True}, "interfaces": [{"name": "eth0", **interface}]})
        for n, interface in enumerate(draw(st.lists(INTERFACE, max_size=3)))
    ]
    return [device, *networks, *apps]


@given(sites())
def test_whatever_is_wrong_has_a_place(documents: list[dict[str, Any]]) -> None:
    """Every sentence has file, line and column, and says more than that something is wrong."""
    loaded = load_text(yaml.safe_dump_all(documents, sort_keys=False), "f.yaml")
    for problem in loaded.report(check(loaded.documents, {})[1]):
        assert problem.file == "f.yaml"
        assert problem.line > 0
        assert problem.column > 0
        assert len(problem.what) > 20


USED = st.sampled_from([{}, {"dhcp": True}, {"dhcp": True, "shared": True}])
LABELS = {"eth0": ["all"], "eth1": ["all", "field"], "eth2": []}


@given(
    st.tuples(USED, USED, USED),
    st.lists(
        st.tuples(
            st.sampled_from(["switch", "local"]),
            st.lists(st.sampled_from([*LABELS, "all", "field"]), max_size=2, unique=True),
        ),
        max_size=4,
    ),
    st.sampled_from([{}, {"management": "eth2"}]),
)
def test_whose_a_port_is(ports: Any, networks: list[tuple[str, list[str]]], spec: dict[str, Any]) -> None:
    """A port is refused if, and only if, two switches have it, or others use it and it is not shared."""
    named = dict(zip(LABELS, ports, strict=True))
    written = [{"name": name, "labels": LABELS[name], **use} for name, use in named.items()]
    documents = [envelope("Device", "edge", {"ports": written, **spec})]
    for n, (kind, words) in enumerate(networks):
        more = {"subnets": ["10.10.1.0/24"]} if kind == "local" else {}
        documents.append(envelope("NetworkInstance", f"n{n}", {"type": kind, "ports": words, **more}))
    wrong = set()
    for name, use in named.items():
        users = [kind for kind, words in networks if {name, *LABELS[name]} & set(words)]
        own = "dhcp" in use or spec.get("management") == name
        if users.count("switch") > 1:
            wrong.add(name)
        if "switch" in users and not use.get("shared") and (own or "local" in users):
            wrong.add(name)
    problems = check(documents, {})[1]
    assert {each.what.split("'")[1] for each in problems} == wrong

"""The arrows between the rooms: who may import whom, read from the source itself."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.rooms import ROOT, imports, modules

AGREED = {"core.agreed", "core.ip", "core.linkname", "core.protocols"}
"""What both ends of a process have to mean the same by."""

MAY_IMPORT = {
    "errors": set(),
    "core": {"errors"},
    "config": {"errors", *AGREED},
    "pubsub": {"errors", "core.clone"},
    "items": {"errors", "core"},
    "features": {"errors", "core", "items", "config"},
    "kernel": {"errors", "core", "items"},
    "topology": {"config", *AGREED},
    "services": {"errors", "kernel", "pubsub", *AGREED},
    # documents in, rows out: no models of what they mean, but to say what is wrong with what cannot even be sent
    "client": {"errors", "pubsub", "config.load", "config.check", "config.converted", "config.from_eve"},
    "cli": {
        "errors",
        "client.history",
        "client.kinds",
        "client.readiness",
        "config",
        "core.dot",
        *AGREED,
        # the reference of access lists, and what names mean to them
        "features.acl",
        "features.names",
        "pubsub",
        "supervisor",
        "topology",
        # the commands that have effects of their own
        "kernel.doctor",
        "kernel.gather",
        "kernel.graphviz",
        "kernel.inside",
        "kernel.namespace",
        "kernel.wireguard_keys",
    },
}
"""Room → the rooms, or single modules of them, that it may import beside itself and the package's version."""

ONLY_IN = {
    "pyroute2": {"kernel"},
    "nftables": {"kernel"},
    "pyseccomp": {"kernel"},
    "subprocess": {"kernel"},
    "ctypes": {"kernel"},
    "zmq": {"pubsub"},
    "h11": {"services", "kernel"},
    "prometheus_client": {"supervisor"},
    "pydantic": {"config"},
    "click": {"cli"},
    "rich": {"cli"},
    "dnslib": {"services", "kernel"},
    "segno": {"cli"},
}
"""Library → the rooms that may import it."""

DOORS = {
    "os",
    "socket",
    "subprocess",
    "time",
    "datetime",
    "random",
    "pathlib",
    "threading",
    "signal",
    "select",
}
"""Modules of the standard library through which I/O, chance and the clock come in."""


ALL = list(modules())


@pytest.mark.parametrize(("room", "name", "path"), ALL, ids=[name or "netnsmgr" for _, name, _ in ALL])
def test_arrows(room: str, name: str, path: Path) -> None:
    """A module imports only what lies below its room."""
    allowed = MAY_IMPORT.get(room)
    for imported in imports(path):
        top, _, rest = imported.partition(".")
        if top in ONLY_IN:
            assert room in ONLY_IN[top], f"{name} imports {imported}; only {ONLY_IN[top]} may"
        if top != "netnsmgr" or not rest or rest == "__version__" or allowed is None:
            continue
        target = rest.split(".")[0]
        fits = target == room or target in allowed or any(f"{rest}.".startswith(f"{a}.") for a in allowed)
        assert fits, f"{name} imports {imported}; {room} may import {sorted(allowed) or 'nothing'}"


@pytest.mark.parametrize("path", sorted((ROOT / "netnsmgr/core").glob("*.py")), ids=lambda path: path.stem)
def test_core_is_pure(path: Path) -> None:
    """Core is standard library only, and has no clock, no chance and no I/O."""
    tops = {imported.split(".")[0] for imported in imports(path)} - {"netnsmgr"}
    assert tops <= sys.stdlib_module_names
    assert not tops & DOORS


@pytest.mark.parametrize("room", ["items", "features"])
def test_pure_rooms_have_no_doors(room: str) -> None:
    """Items and features reach the machine through the System they are given, never by themselves."""
    for path in sorted((ROOT / "netnsmgr" / room).glob("*.py")):
        tops = {imported.split(".")[0] for imported in imports(path)}
        assert not tops & (DOORS - {"os", "signal"}), path


def test_mock_is_an_outsider() -> None:
    """The stand-in for the edge supervisor knows what any supervisor can: the public client."""
    for path in sorted((ROOT / "zedbox_mock").rglob("*.py")):
        ours = {i for i in imports(path) if i.partition(".")[0] == "netnsmgr"}
        assert ours <= {"netnsmgr.client"}, path

"""What agents are told of tunnels: who encrypts, and that a key is another one; nothing where there are none."""

from __future__ import annotations

from typing import Any

from netnsmgr.config.whole import parse
from netnsmgr.pubsub.tables import KIND_TABLE
from netnsmgr.supervisor.slices import UPLINK, Slicer, Slices

BACKENDS = {"esp": "kernel", "wireguard": "wireguard-go"}


def ni(name: str, **spec: Any) -> dict[str, Any]:
    """Make an instance."""
    head = {"apiVersion": "netnsmgr/v1alpha1", "kind": "NetworkInstance", "metadata": {"name": name}}
    return {**head, "spec": {"subnets": ["10.1.0.0/24"], "ports": ["eth0"], **spec}}


def cut(
    slicer: Slicer, revision: int, *documents: dict[str, Any], files: dict[str, dict[str, str]] | None = None
) -> Slices:
    """Return the slices of instances."""
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for each in documents:
        rows.setdefault(KIND_TABLE[each["kind"]], {})[each["metadata"]["name"]] = each
    numbers = {each["metadata"]["name"]: n for n, each in enumerate(documents)}
    return slicer.cut(parse(documents), rows, numbers, revision, backends=BACKENDS, files=files)


def test_who_encrypts() -> None:
    """Instances with tunnels, and the device, are told what encrypts; others go on as before."""
    slicer = Slicer()
    without = cut(slicer, 1, ni("ni1"))
    assert not any("backends" in each or "files" in each for each in without.values())
    both = cut(slicer, 2, ni("ni1"), ni("ni2", vpn={"wireguard": {"tunnels": [{"name": "wg0"}]}}))
    assert both["ni2"]["backends"] == both[UPLINK]["backends"] == BACKENDS
    assert "backends" not in both["ni1"]
    assert both["ni1"]["revision"] == 1


def test_another_key() -> None:
    """A file that has changed is news for its instance, and for nobody else."""
    slicer = Slicer()
    wanted = [ni(name, vpn={"wireguard": {"tunnels": [{"name": "wg0"}]}}) for name in ("ni1", "ni2")]
    files = {"ni1": {"/etc/a.key": "1"}, "ni2": {"/etc/b.key": "1"}}
    assert cut(slicer, 1, *wanted, files=files)["ni1"]["files"] == {"/etc/a.key": "1"}
    found = cut(slicer, 2, *wanted, files={**files, "ni2": {"/etc/b.key": "2"}})
    assert {name: each["revision"] for name, each in found.items()} == {"ni1": 1, "ni2": 2, UPLINK: 1}

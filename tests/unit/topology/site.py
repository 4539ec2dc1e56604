"""Configurations in few words, as topologies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netnsmgr.config.check import check
from netnsmgr.config.load import load, load_text
from netnsmgr.config.whole import Config
from netnsmgr.supervisor.slices import allocate
from netnsmgr.topology.model import Topology
from netnsmgr.topology.read import Statuses, topology

SCENARIO = Path(__file__).parents[3] / "poc/scenario.yaml"
HEAD = "apiVersion: netnsmgr/v1alpha1\nkind: "
KEY = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
OTHER = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="


def device(*ports: str, **more: Any) -> str:
    """A Device of ports, each as the inside of a YAML mapping."""
    listed = ", ".join(f"{{{port}}}" for port in ports)
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"{HEAD}Device\nmetadata: {{name: edge}}\nspec: {{ports: [{listed}]{extra}}}\n"


def network(name: str, spec: str) -> str:
    return f"{HEAD}NetworkInstance\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def app(name: str, *interfaces: str, attach: str = "tap: true") -> str:
    listed = ", ".join(f"{{{each}}}" for each in interfaces)
    return f"{HEAD}App\nmetadata: {{name: {name}}}\nspec: {{attach: {{{attach}}}, interfaces: [{listed}]}}\n"


def ipsec(remote: str, name: str = "cloud", **more: str) -> str:
    """The VPN of an instance with one connection to a cloud that has a network."""
    child = ", ".join([f"{{name: net, remote: [{remote}]", *(f"{k}: {v}" for k, v in more.items())]) + "}"
    return (
        f"vpn: {{ipsec: {{connections: [{{name: {name}, remote: 198.51.100.1, "
        f"auth: {{psk: {{file: /etc/x.psk}}}}, children: [{child}]}}]}}}}"
    )


def config(*documents: str) -> Config:
    loaded = load_text("---\n".join(documents)) if documents else load([SCENARIO])
    found, problems = check(loaded.documents, {})
    loaded.require(problems)
    return found


def drawn(*documents: str, statuses: Statuses | None = None) -> Topology:
    """The topology of documents; without any that of the scenario."""
    found = config(*documents)
    return topology(found, allocate({}, found.instances), statuses)


def collisions(*documents: str) -> list[str]:
    """The legend of a configuration."""
    return [f"{each.what}: {', '.join(each.whose)}" for each in drawn(*documents).collisions]

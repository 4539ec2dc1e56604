"""Which processes run for the scenario, in which namespace, and what each namespace has of nftables: from what the agents intend."""

from __future__ import annotations

from collections.abc import Iterator

from netnsmgr.items.nft import PREFIX
from netnsmgr.topology.label import FONT, LINE, MUTED, PAPER, Line, box
from tests.golden.intent import Agents

SUPERVISOR, UPLINK, INSTANCE = "#e5e7eb", "#d3efe9", "#d7e6fb"
NOTE = (
    "Each box on the right is a network namespace with its agent and the agent's helpers, which go on when the agent stops.\\l"
    "The supervisor touches no network; agents are forked from a server that has everything imported, and told what to do over\\l"
    "a local socket.\\l"
)


def processes(text: str) -> str:
    """Return the drawing as DOT text, for a configuration."""
    lines = [
        "digraph processes {",
        f'  graph [rankdir=LR, bgcolor="{PAPER}", fontname="{FONT}", nodesep=0.16, ranksep=1.2, pad=0.15, splines=line];',
        f'  graph [labelloc=b, labeljust=l, fontsize=9, fontcolor="{MUTED}", label="{NOTE}"];',
        f'  node [shape=plain, fontname="{FONT}"];',
        f'  edge [color="{LINE}", arrowsize=0.7, dir=none, penwidth=1.2];',
    ]
    daemon = [Line("supervisor with the hub", bold=True), Line("fork server")]
    lines.append(
        f'  "daemon" [label={box("netnsmgr daemon", "", daemon, fill=SUPERVISOR, width=150)}, tooltip="daemon"];'
    )
    agents = Agents(text)
    for name in agents:
        if name == "uplink":
            heading, beside, fill = "root namespace", "of the device", UPLINK
        else:
            heading, beside, fill = name, "network namespace", INSTANCE
        label = box(heading, beside, _inside(agents, name), fill=fill, width=300, wrap=70)
        lines.append(f'  "{name}" [label={label}, tooltip="{heading}"];')
        lines.append(f'  "daemon":head:e -> "{name}":agent:w;')
    return "\n".join([*lines, "}", ""])


def _inside(agents: Agents, name: str) -> Iterator[Line]:
    refs = sorted(agents.items(name))
    yield Line(f"agent {name}", port="agent", bold=True)
    # A name may have a digest behind it.
    if helpers := [ref.key.partition("-")[0] for ref in refs if ref.kind == "process"]:
        yield Line("helpers: " + ", ".join(helpers))
    # "inet netnsmgr_acl" and "bridge netnsmgr_vif" are "acl" and "vif" to a reader.
    tables = {ref.key.rpartition(PREFIX)[2] for ref in refs if ref.kind == "nft-table"}
    yield Line(f"tables {PREFIX}: " + ", ".join(sorted(tables)), colour=MUTED)

"""The DOT text: Graphviz takes whatever stands in it, it is the same each time, and it stays bounded."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netnsmgr.config.load import load
from netnsmgr.kernel.graphviz import render
from netnsmgr.topology.drawing import draw
from netnsmgr.topology.model import (
    App,
    Collision,
    End,
    Health,
    Instance,
    Interface,
    Link,
    Port,
    PortMap,
    Topology,
    Tunnel,
)
from tests.unit.topology.site import SCENARIO, app, device, drawn, network
from tests.unit.topology.test_read import statuses

with_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
HOSTILE = [
    "<B>",
    '"];',
    "</TD>",
    "&amp; &#60;",
    "\\",
    "\\N\\G",
    "-->",
    "]]>",
    "\x00\x1b[31m",
    "\ud800",
    "\u200b\u202e",
    "é→😀",
    "\n\n",
    "'",
    " ",
]
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> str:
    """All that can be read in a drawing, tooltips included."""
    root = ET.fromstring(svg)
    titles = [value for each in root.iter() for name, value in each.attrib.items() if name.endswith("title")]
    return "\n".join([*(each.text or "" for each in root.iter(f"{SVG}text")), *titles]).replace("\xa0", " ")


@with_graphviz
def test_scenario() -> None:
    """What the scenario is about can be read in its drawing."""
    shown = texts(render(draw(drawn())))
    for word in (
        "app3", "virtual machine (TAP)", "github.com", "ni5", "10.10.10.0/24", "nm-ni2", "8080/tcp → app2:80", "at every port",
        "eth3", "moved into ni6", "gateway 192.168.0.1", "IPsec over eth2", "192.168.222.1", "edge: the device's root namespace",
        "192.168.0.0/24: port eth0, behind cloud1 of ni4, behind cloud2 of ni5",
    ):  # fmt: skip
        assert word in shown


def hostile(text: str) -> Topology:
    """Everything that a drawing shows, called by one text."""
    health = Health("failed", (text, text * 40))
    net = ip_network("10.0.0.0/24")
    end = End(text, text, (net,), ((text, text),), health)
    tunnel = Tunnel("WireGuard", text, (text,), (net,), (end,), health)
    return Topology(
        text,
        True,
        (Port(text, text, (text,), (text,), (text,), (net,), (text,), (text,), False, "", health),
         Port(text + "2", text, (), (), (), (), (), (), False, text, health)),
        (Instance(text, text, ((net, text),), (text,), (text, text + "2"), (text,), True, (tunnel,), Link(text, (text,)), health=health),
         Instance(text + "s", text, (), (), (text + "2",), (), True, (), None, health=health)),
        (App(text, text, (Interface(text, text, text, (text,), (text,) * 9, (text,), health),)),),
        (PortMap(text, text, text, (text,)),),
        (Collision(1, text, (text,) * 20),),
    )  # fmt: skip


@with_graphviz
@pytest.mark.parametrize("text", [*HOSTILE, "".join(HOSTILE)], ids=range(len(HOSTILE) + 1))
def test_hostile_names(text: str) -> None:
    """Whatever something is called, Graphviz draws it as text, and the SVG is well formed."""
    svg = render(draw(hostile(f"x{text}y")))
    root = ET.fromstring(svg)
    assert len(root.findall(f".//{SVG}g[@class='cluster']")) == 2
    text = text.replace("\\", "∖")
    readable = [each for each in text if each.isprintable() and not each.isspace()]
    if readable:
        assert "".join(["x", *readable, "y"]) in re.sub(r"\s|�", "", texts(svg))


def test_same_text_whatever_the_order() -> None:
    """Neither the order of documents nor that of hashes shows."""
    documents = SCENARIO.read_text().split("\n---\n")
    first = draw(drawn(*(f"{each}\n" for each in documents)))
    random.Random(3).shuffle(documents)
    assert draw(drawn(*(f"{each}\n" for each in documents))) == first
    code = "from tests.unit.topology.site import drawn; from netnsmgr.topology.drawing import draw; print(draw(drawn()), end='')"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(SCENARIO.parents[1])},
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert done.stdout == first


def many(count: int) -> tuple[str, ...]:
    ports = [f"name: eth{n}, addresses: [192.168.{n}.2/24]" for n in range(4)]
    rule = "acl: [{{id: 1, match: {{protocol: tcp, lport: {port}}}, action: {{portmap: 80}}}}]"
    return (
        device(*ports),
        *(
            network(f"ni{n}", f"ports: [eth{n % 4}], subnets: [10.10.{n % 3}.0/24], dhcp: {{}}")
            for n in range(count)
        ),
        *(
            app(
                f"app{n}",
                f"name: e0, network: ni{n}",
                f"name: e1, network: ni{n * 7 % count}, {rule.format(port=3000 + n)}",
            )
            for n in range(count)
        ),
    )


@with_graphviz
def test_hundred_instances() -> None:
    """Many instances are a long drawing, not an endless one; what all have in common is said once."""
    topology = drawn(*many(100))
    began = time.process_time()
    dot = draw(topology)
    assert time.process_time() - began < 2
    assert "10.10.0.0/24: ni0, ni12, ni15, ni18, ni21, ni24, ni27, ni3 and 26 more" in dot
    svg = render(dot)
    width = re.search(rb'<svg width="(\d+)pt"', svg)
    assert width is not None
    assert int(width[1]) < 1000


@with_graphviz
@pytest.mark.parametrize(
    "topology",
    [
        Topology("", False),
        Topology("edge", True),
        Topology("edge", False, ports=drawn(device("name: eth0")).ports),
    ],
    ids=["nothing", "device", "port"],
)
def test_little(topology: Topology) -> None:
    """Nothing at all, and a device without instances, are drawings, too."""
    assert "No networks collide." in texts(render(draw(topology)))


def test_states() -> None:
    """What is not as it shall be has the colour of that, and says why; what is well says nothing."""
    documents = (device("name: eth0"), network("ni1", "ports: [eth0], subnets: [10.1.0.0/24]"))
    told = statuses(
        agents={"uplink": {"state": "backing-off", "cause": "signal 9"}},
        devices={"edge": {"state": "ready", "ports": [{"name": "eth0", "state": "missing"}]}},
        instances={"ni1": {"state": "reconciling", "reasons": ["pending: port eth0"]}},
    )
    dot = draw(drawn(*documents, statuses=told))
    assert 'COLOR="#b91c1c">missing' in dot
    assert "root namespace&#10;its agent is backing-off: signal 9" in dot
    assert 'COLOR="#b45309">pending: port eth0' in dot
    well = statuses(
        devices={"edge": {"state": "ready", "ports": [{"name": "eth0", "state": "up"}]}},
        instances={"ni1": {"state": "ready"}},
    )
    assert not re.search("b91c1c|b45309", draw(drawn(*documents, statuses=well)))
    assert not re.search("b91c1c|b45309", draw(drawn(*documents)))


@st.composite
def topologies(draw_: st.DrawFn) -> Topology:
    """Configurations without a thought: switches with any ports, instances with any, applications in any."""
    ports = [f"eth{n}" for n in range(draw_(st.integers(0, 4)))]
    base = drawn()
    names = [f"n{n}" for n in range(draw_(st.integers(0, 5)))]
    some = st.lists(st.sampled_from(ports), unique=True, max_size=3) if ports else st.just([])
    moved: dict[str, str] = {}
    instances = []
    for name in names:
        switch, using = draw_(st.booleans()), draw_(some)
        if switch:
            moved |= dict.fromkeys([port for port in using if port not in moved], name)
        tunnels = base.instances[3].tunnels if draw_(st.booleans()) and not switch else ()
        instances.append(
            Instance(name, "", (), (), tuple(using), (), True, tunnels, None if switch else Link(name, ()))
        )
    made = [replace(base.ports[0], name=port, switch=moved.get(port, "")) for port in ports]
    interface = st.builds(
        Interface, st.just("e"), st.sampled_from([*names, "nix"]), *[st.just("")], *[st.just(())] * 2
    )
    apps = [
        App(f"a{n}", "", tuple(draw_(st.lists(interface, max_size=3))))
        for n in range(draw_(st.integers(0, 4)))
    ]
    maps = [PortMap("80", "a", name, tuple(draw_(some))) for name in names if draw_(st.booleans())]
    return Topology("edge", False, tuple(made), tuple(instances), tuple(apps), tuple(maps))


@with_graphviz
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(topologies())
def test_graphviz_takes_all(topology: Topology) -> None:
    """Graphviz is given columns, clusters and edges within columns together, which it refuses if they contradict each other."""
    done = subprocess.run(
        ["dot", "-Tsvg"], input=draw(topology).encode(), capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    nodes = len(re.findall(rb'class="node"', done.stdout))
    assert nodes == len(topology.apps) + len(topology.instances) + 2 * len(topology.ports) + sum(
        (ni.link is not None) + len(ni.tunnels) for ni in topology.instances
    )


def test_scenario_is_there() -> None:
    assert len(load([SCENARIO]).documents) == 13

"""Another version of the package takes over what runs: not a packet is lost, and what is on disk is understood."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.daemon import DaemonFailed
from tests.rooms import ROOT
from tests.scenarios.documents import Document, app, bare, device, instance, port, switch
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root

FORMER = {"form 1": "32f16cff36bb72275ab512ba644b1f5b1295f509"}
"""The last commit of each form of what is on disk, and each released version."""
INTERNET = "203.0.113.20"
UNNOTICED = re.compile(r" (process|file|directory)/|: (modify|create) nft-")
"""Operations that no packet notices: helpers are started anew, as other users; other rules take the place of rules."""
FLOWLOG = re.compile(r"^ni1: (create|delete) (process|file)/.*flowlog")
OPEN = [
    {"id": 1, "match": {"ip": "0.0.0.0/0"}},
    {"id": 2, "match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}},
]


def documents() -> list[Document]:
    """Two local instances with the same subnet, one of them with lists, port map, flow log; and a switch."""
    return [
        device(port(0), bare("eth1")),
        instance("ni1", flowLog=True),
        instance("ni2"),
        switch("sw", "eth1"),
        app("app1", "ni1", acl=OPEN),
        app("app2", "ni2"),
        app("app3", "sw"),
    ]


@pytest.fixture
def w() -> Iterator[World]:
    with World(dhcp_ports=("eth1",)) as made:
        for name in "app1", "app2", "app3":
            made.lab.app(name)
        yield made


def former(place: Path, commit: str) -> Path:
    """The package as it was in a commit; skips where the history is not there."""
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", commit, "netnsmgr"], capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"the history of the package is not here: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(place)
    return place


@pytest.fixture
def installed(w: World, tmp_path: Path) -> Path:
    """Where the device has its package: a link to the tree of a version, as an installation in place has one path."""
    w.stop()
    w.sh("rm -rf /var/lib/netnsmgr/* /run/netnsmgr/*")
    w.daemon.package = tmp_path / "installed"
    return w.daemon.package


def install(installed: Path, package: Path) -> None:
    installed.unlink(missing_ok=True)
    installed.symlink_to(package)


def working(w: World) -> None:
    w.ready("ni1", "ni2", "sw")
    for network, name in ("ni1", "app1"), ("ni2", "app2"), ("sw", "app3"):
        w.attached(network, name)


def begin(w: World) -> None:
    """Configure, and have each application get its address."""
    w.apply(*documents())
    working(w)
    w.leased("ni1", "app1")
    w.lab.apps["app2"].dhcp("eth0")
    w.lab.apps["app3"].dhcp("eth0")


def taken_over(w: World, installed: Path, package: Path) -> list[str]:
    """Exchange the daemon for another version amid traffic of all instances; the operations of its first plans."""
    targets = {"app1": INTERNET, "app2": INTERNET, "app3": "192.168.1.1"}
    with ExitStack() as stack:
        flows = {
            name: stack.enter_context(Flow(w.lab.apps[name], to, seconds=3.0)) for name, to in targets.items()
        }
        since = w.mark()
        w.stop()
        install(installed, package)
        w.restart()
        for name in "ni1", "ni2", "sw", "uplink":
            w.looked(name, since)
        working(w)
    assert {name: flow.lost for name, flow in flows.items()} == dict.fromkeys(flows, 0)
    assert {flows[name].downloaded for name in ("app1", "app2")} == {"1000000 bytes"}
    return w.operations(since)


def test_the_next_version(w: World, installed: Path, tmp_path: Path) -> None:
    """The same package under another version: its flow log is another program, else nothing is done.

    Each revision knows which version wrote it.
    """
    shutil.copytree(ROOT / "netnsmgr", tmp_path / "netnsmgr")
    init = tmp_path / "netnsmgr/__init__.py"
    init.write_text(re.sub('__version__ = ".*"', '__version__ = "99.0"', init.read_text()))
    install(installed, ROOT)
    w.restart()
    begin(w)
    operations = taken_over(w, installed, tmp_path)
    assert [each for each in operations if not FLOWLOG.search(each)] == []
    w.apply(app("app2", "ni2", acl=OPEN[:1]))
    versions = [json.loads(line)["version"] for line in heads(w)]
    assert [version == "99.0" for version in versions] == [False, True]


@pytest.mark.parametrize("form", FORMER)
def test_from_a_former_version(w: World, installed: Path, tmp_path: Path, form: str) -> None:
    """What an earlier version made and wrote is taken over; no link, address or route is touched."""
    package = former(tmp_path, FORMER[form])
    install(installed, package)
    w.restart()
    begin(w)
    numbers = [w.instance(name)["number"] for name in ("ni1", "ni2", "sw")]
    document = json.loads(w.sh("cat /var/lib/netnsmgr/rows.json"))
    operations = taken_over(w, installed, ROOT)
    assert [each for each in operations if not UNNOTICED.search(each)] == []
    assert [w.instance(name)["number"] for name in ("ni1", "ni2", "sw")] == numbers
    [head] = map(json.loads, heads(w))
    assert (head["number"], head["what"]) == (document["revision"], "migrated")
    assert "nothing to change" in w.apply(*documents()).stdout
    # The way back is refused: the earlier version would find nothing, and delete everything.
    w.stop()
    install(installed, package)
    with pytest.raises(DaemonFailed, match="written by a later netnsmgr"):
        w.restart()
    install(installed, ROOT)
    with Flow(w.lab.apps["app1"], INTERNET) as flow:
        w.restart()
        working(w)
    assert flow.lost == 0


def heads(w: World) -> list[str]:
    return w.sh("for f in /var/lib/netnsmgr/revisions/*.jsonl; do sed -n 2p $f; done").splitlines()

"""zedbox_mock as a program on the device: killed at any moment it loses nothing and disturbs nothing."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab import AppHost
from tests.lab.lab import ROOT
from tests.scenarios.documents import Document, app, device, instance
from tests.scenarios.supervisors import client, files, mock, revision, running
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root

SITE = [device(), instance("ni1"), app("app1", "ni1")]
SECOND = [instance("ni2", "10.10.2", ports=[]), app("app2", "ni2")]


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        made.lab.app("app2")
        yield made


@pytest.fixture
def place(w: World) -> Path:
    """Where the files are; everything in them is true."""
    place = write(w, *SITE, *SECOND)
    done = mock(w.lab, "publish", "/run/zedbox", "--wait", "30", "--takeover")
    assert done.returncode == 0, done
    w.leased("ni1", "app1")
    return place


@pytest.fixture
def app1(w: World) -> AppHost:
    return w.lab.apps["app1"]


def write(w: World, *documents: Document) -> Path:
    return files(w.lab, site=yaml.safe_dump_all(documents, sort_keys=False))


def test_killed_at_any_moment(w: World, place: Path, app1: AppHost) -> None:
    """Started again it publishes the same, which is no news: no revision, no operation, not a packet lost."""
    before, since = revision(w), w.mark()
    dice = random.Random(7)
    with Flow(app1) as flow:
        for _ in range(4):
            zedbox = running(w.lab, "run", "/run/zedbox")
            time.sleep(dice.uniform(0.2, 0.8))  # any moment: it needs half a second until it has published
            zedbox.send(signal.SIGKILL)
            zedbox.wait()
        zedbox = running(w.lab, "run", "/run/zedbox")
        zedbox.wait_line("published 5 objects")
        zedbox.stop(signal.SIGTERM)
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert (revision(w), w.operations(since)) == (before, [])


def test_removed_while_it_was_down(w: World, place: Path, app1: AppHost) -> None:
    """What is not in the files any more is deleted when it starts; what another writer owns is left alone."""
    with client(w, "operator") as operator:
        operator.applied(operator.publish([instance("ni9", "10.10.9", ports=[])]))
        with Flow(app1) as flow:
            write(w, *SITE)
            zedbox = running(w.lab, "run", "/run/zedbox")
            zedbox.wait_line("deleted app/app2, deleted network-instance/ni2")
            zedbox.wait_line("network-instance ni2 gone")
            zedbox.stop(signal.SIGTERM)
        assert flow.lost == 0
        assert w.lab.apps["app2"].link("eth0") is None
        assert {"ni1", "ni9"} <= set(w.sh("ls /run/netns").split())
        assert operator.applied(operator.publish([], replace=True)) == ()


def test_follows_its_files_and_the_daemon(w: World, place: Path, app1: AppHost) -> None:
    """Changes are published, what is refused is said and changes nothing, and a daemon that comes back has it all."""
    zedbox = running(w.lab, "run", "/run/zedbox")
    zedbox.wait_line("published 5 objects")
    write(w, *SITE)
    zedbox.wait_line("published 3 objects")
    zedbox.wait_line("network-instance ni2 gone")
    write(w, *SITE, app("app2", "ni7"))
    assert "site.yaml:" in zedbox.wait_line("unknown network")
    zedbox.wait_line("what was published before stays")
    before = revision(w)
    with Flow(app1) as flow:
        w.daemon.kill9()
        zedbox.wait_line("the daemon has gone")
        write(w, *SITE, *SECOND)
        w.restart()
        zedbox.wait_line(f"published 5 objects, revision {before + 1}", 30)
        w.attached("ni2", "app2")
    assert flow.lost == 0
    zedbox.stop(signal.SIGTERM)


def test_json(w: World, place: Path) -> None:
    """For machines: one object a line, with the whole row."""
    zedbox = running(w.lab, "run", "--json", "/run/zedbox")
    for line in (
        '"event": "published 5 objects',
        '"NetworkInstanceStatus", "key": "ni1"',
        '"key": "ni1/app1/eth0"',
    ):
        zedbox.wait_line(line)
    assert zedbox.stop(signal.SIGTERM) == 0
    lines = [json.loads(line) for line in zedbox.output.splitlines()]
    rows = {(line["table"], line["key"]): line["row"] for line in lines if "table" in line}
    assert rows["NetworkInstanceStatus", "ni1"]["state"] == "ready"
    assert rows["AppNetworkStatus", "ni1/app1/eth0"]["addresses"]
    assert any(line.get("event", "").startswith("published 5 objects") for line in lines)


def test_publish_says_what_is_not_ready(w: World, place: Path) -> None:
    """Exit codes are netnsmgr's own; what is not there is named with its reason."""
    write(w, *SITE, *SECOND, app("app3", "ni2"))
    done = mock(w.lab, "publish", "/run/zedbox", "--wait", "1")
    assert (done.returncode, "app/app3/eth0: pending" in done.stdout) == (1, True), done
    write(w, *SITE, *SECOND, app("app3", "ni7"))
    done = mock(w.lab, "publish", "/run/zedbox", "--wait", "1")
    assert (done.returncode, "site.yaml:" in done.stderr) == (2, True), done
    with client(w, "operator") as operator:
        operator.publish([instance("ni9", "10.10.9", ports=[])])
        write(w, *SITE, instance("ni9", "10.10.9", ports=[]))
        done = mock(w.lab, "publish", "/run/zedbox", "--wait", "1")
        assert (done.returncode, "'operator'" in done.stderr) == (2, True), done
        operator.applied(operator.publish([], replace=True))


def test_a_reader_that_goes(w: World, place: Path) -> None:
    """`zedbox_mock run … | head -1` ends without a word."""
    program = f"{sys.executable} -m zedbox_mock run /run/zedbox --for 5"
    done = w.lab.device.run(["sh", "-c", f"{program} | head -1"], env={"PYTHONPATH": str(ROOT)}, timeout=20.0)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


TIMELINE = """
documents: [site.yaml]
actions: {down: 'ip link set {port} down', up: 'ip link set {port} up'}
events:
  - {at: 0.5, remove: [network-instance/ni2]}
  - {at: 1.5, down: eth0}
  - {at: 2.5, up: eth0}
  - {at: 3.5, change: network-instance/ni1, spec: {dns: {hosts: {printer: [10.10.1.7]}}}}
  - {at: 4.5, add: [network-instance/ni2]}
"""


def test_replay_through_a_restart(w: World, place: Path) -> None:
    """A daemon that is killed in the middle of a timeline costs time, and nothing else."""
    files(w.lab, timeline=TIMELINE)
    replay = running(w.lab, "replay", "--json", "/run/zedbox/timeline.yaml")
    replay.wait_line("down eth0", 30)
    w.daemon.kill9()
    w.restart()
    code = replay.wait(60)
    (place / "timeline.yaml").unlink()
    report = json.loads(replay.output.splitlines()[-1])
    assert (code, report["lost"], report["disconnections"]) == (0, [], 1), replay.output[-5000:]
    assert [one["what"] for one in report["results"]] == [
        "everything",
        "remove network-instance/ni2",
        "down eth0",
        "up eth0",
        "change network-instance/ni1",
        "add network-instance/ni2",
        "everything back",
    ]
    assert report["results"][-1]["true_after"] is not None


def replayed(w: World, place: Path, **timeline: object) -> None:
    """Write a timeline of the site, without what it is told to be."""
    (place / "site.yaml").rename(place / "site")
    text = {"documents": "site", "timeout": 10, **timeline}
    (place / "timeline").write_text(yaml.safe_dump(text))


def test_a_timeline_of_what_is_not_there(w: World, place: Path) -> None:
    """An object that nobody has described is no change that has become true."""
    replayed(
        w,
        place,
        events=[{"at": 0, "remove": ["app/app1", "app/nix"]}],
        random={"of": ["network-instance/nox"]},
    )
    done = mock(w.lab, "replay", "/run/zedbox/timeline")
    assert (done.returncode, done.stderr) == (
        2,
        "there is no app/nix, no network-instance/nox in any of the timeline's documents\n",
    )


def test_a_timeline_whose_commands_fail(w: World, place: Path) -> None:
    """It is told, also where the port is as it should be; and all else is played."""
    replayed(
        w,
        place,
        actions={"down": "nosuch {port}", "up": "sh -c 'echo no; exit ${1:-7}'"},
        events=[{"at": 0, "up": "eth0"}, {"at": 0.5, "down": "eth0"}],
    )
    done = mock(w.lab, "replay", "--json", "/run/zedbox/timeline")
    report = json.loads(done.stdout.splitlines()[-1])
    wrong = {each["what"]: " ".join(each["wrong"]) for each in report["results"] if each["wrong"]}
    assert (done.returncode, sorted(wrong)) == (1, ["down eth0", "up eth0"]), done
    assert "ended with 7" in wrong["up eth0"]
    assert "cannot be run: No such file or directory" in wrong["down eth0"]


def test_a_timeline_that_is_told_to_end(w: World, place: Path) -> None:
    """No port stays down."""
    actions = {verb: f"ip link set {{port}} {verb}" for verb in ("down", "up")}
    actions["up"] = "sh -c 'ip link set {port} up && touch /run/zedbox/up'"
    replayed(w, place, actions=actions, events=[{"at": 0, "down": "eth0"}, {"at": 60, "up": "eth0"}])
    player = running(w.lab, "replay", "/run/zedbox/timeline")
    player.wait_line("down eth0")
    player.send(signal.SIGTERM)
    player.wait()
    assert (place / "up").exists()

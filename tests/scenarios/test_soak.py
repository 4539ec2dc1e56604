"""A timeline of changes on the whole scenario: who is not touched loses nothing, and nothing is left of what went."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator

import pytest
import yaml

from poc.namespaces import Namespaces
from poc.scene import CONFIGURATION, ROOT, without
from tests.lab import AppHost
from tests.scenarios.supervisors import files, mock

pytestmark = pytest.mark.root

TIMELINE = {
    "documents": ["site.yaml"],
    "timeout": 30,
    # The carrier goes at the site's end of the cable.
    "actions": {verb: f"nsenter --net=/run/lab/gw ip link set {{port}} {verb}" for verb in ("down", "up")},
    "events": [
        {"at": 0.5, "remove": ["app/app3", "network-instance/ni3"]},
        {"at": 2.5, "add": ["network-instance/ni3", "app/app3"]},
        {"at": 4, "down": "eth1"},
        {"at": 5, "up": "eth1"},
        {"at": 6, "change": "network-instance/ni2", "spec": {"dns": {"hosts": {"printer": ["192.168.1.9"]}}}},
        {"at": 7, "documents": ["less.yaml"]},
        {"at": 9, "documents": ["site.yaml"]},
    ],
    "random": {
        "events": 12,
        "every": 0.5,
        "of": ["eth1", "eth2", "app/app2", "app/app4", "network-instance/ni4", "network-instance/ni5"],
        "seed": 7,
    },
}


@pytest.fixture(scope="module")
def scene() -> Iterator[Namespaces]:
    text = CONFIGURATION.read_text()
    with Namespaces() as made:
        files(made.lab, site=text, less=without(without(text, "ni5"), "ni6"), timeline=json.dumps(TIMELINE))
        assert made.publish(text) == "applied"
        made.apps["app1"].dhcp("eth0")
        yield made


@pytest.fixture
def app1(scene: Namespaces) -> AppHost:
    return scene.lab.apps["app1"]


def test_soak(scene: Namespaces, app1: AppHost) -> None:
    """20 seconds of changes: everything becomes true, nothing that was told is lost, and ni1 does not notice."""
    ping = app1.popen(["ping", "-n", "-q", "-i", "0.01", "-W", "2", "-I", "eth0", "192.168.0.1"])
    ping.wait_line("PING")
    done = mock(scene.lab, "replay", "--json", "/run/zedbox/timeline.yaml", timeout=120)
    ping.stop(signal.SIGINT)
    report = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, report["lost"], done.stderr) == (0, [], ""), done.stdout[-5000:]
    found = re.search(r"(\d+) packets transmitted, (\d+) received", ping.output)
    assert found, ping.output
    sent, received = int(found[1]), int(found[2])
    assert sent > 500
    assert sent - received <= 1, ping.output  # the last may have been under way
    assert (report["seed"], report["disconnections"]) == (7, 0)
    results = report["results"]
    assert len(results) >= 2 + len(TIMELINE["events"]) + TIMELINE["random"]["events"]  # type: ignore[arg-type,index]
    assert not [one for one in results if one["wrong"]]
    assert results[-1]["what"] == "everything back"
    assert results[-1]["true_after"] < 30
    states = {each["status"]["state"] for kind in ("device", "ni") for each in scene.objects(kind)}
    assert states == {"ready"}


def test_nothing_is_left(scene: Namespaces) -> None:
    """No namespace, link, route or process of instances that are gone, however often they came and went."""
    text = CONFIGURATION.read_text()
    for name in ("ni3", "ni4", "ni5", "ni6"):
        text = without(text, name)
    assert scene.publish(text) == "applied"
    kept = {
        each["metadata"]["name"] for each in yaml.safe_load_all(text) if each["kind"] == "NetworkInstance"
    }
    assert kept == {"ni1", "ni2"}
    device = scene.device
    assert set(re.findall(r"\bni\d", device.run(["ls", "/run/netns"]).stdout)) == kept
    assert set(re.findall(r"\bnm-(ni\d)", device.run(["ip", "link"]).stdout)) == kept
    assert len(re.findall(r"^50:", device.run(["ip", "rule"]).stdout, re.MULTILINE)) == len(kept)
    processes = device.run(["ps", "-eo", "args"]).stdout
    assert set(re.findall(r"/instances/(ni\d)/", processes)) == kept
    assert "charon" not in "".join(line for line in processes.splitlines() if "/run/netnsmgr" in line)
    assert {each["metadata"]["name"] for each in scene.objects("ni")} == kept


def test_an_edge_dev_config(scene: Namespaces) -> None:
    """The same device by EVE's JSON: published and true, its secrets where the documents say."""
    secrets = scene.lab.path("/etc/netnsmgr/secrets")
    (scene.lab.path("/run/zedbox") / "edge-config.json").write_text(
        (ROOT / "poc/edge-config.json").read_text()
    )
    done = mock(scene.lab, "publish", "/run/zedbox/edge-config.json", "--wait", "60", timeout=90)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "ready"), done
    assert {(secrets / f"{name}.psk").stat().st_mode & 0o777 for name in ("ni4", "ni5")} == {0o600}
    assert "the secret of" not in done.stdout + done.stderr
    assert {each["metadata"]["name"] for each in scene.objects("ni")} == {f"ni{n}" for n in range(1, 7)}

"""Files applied, compared and taken back: only what differs is touched, and nothing stays behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.scenarios.documents import Document, app, device, instance
from tests.scenarios.traffic import Flow, Watch
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture
def w() -> Iterator[World]:
    with World() as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        yield made


def diff(w: World, *documents: Document, options: tuple[str, ...] = ()) -> tuple[int, str]:
    text = yaml.safe_dump_all(documents, sort_keys=False)
    result = w.command("diff", "-f", "-", *options, text=text, code=None)
    assert result.stderr == ""
    return result.returncode, result.stdout


def test_the_same_file_again(w: World) -> None:
    """Applied again, a file causes no operation of any agent, nor a message of the kernel."""
    documents = (device(), instance("ni1"), instance("ni2"), app("app1", "ni1", "ni2"))
    w.apply(*documents)
    assert diff(w, *documents) == (0, "no differences\n")
    since = w.mark()
    with Watch(*(w.lab.device, w.lab.instance("ni1"), w.lab.instance("ni2"))) as seen:
        said = w.apply(*documents).stdout
        # The change of another object shows that the agents have had their time.
        w.put(instance("ni3", "10.10.3"))
        w.until(lambda: w.instance("ni3").get("state") == "ready", "ni3 is ready")
    assert said.startswith("nothing to change: all 4 documents are in place already")
    assert [line for line in w.operations(since) if line.startswith(("ni1", "ni2"))] == []
    assert [line for line in seen.changes if line.startswith(("ni1", "ni2"))] == []


def test_a_difference_is_shown_and_then_made(w: World) -> None:
    """`diff` shows fields, operations and whom they disturb, and exactly these operations are carried out."""
    w.apply(device(), instance("ni1"), app("app1", "ni1"))
    changed = instance("ni1", dns={"hosts": {"printer": ["10.10.1.9"]}})
    code, text = diff(w, changed)
    assert code == 1
    assert "network-instance/ni1" in text
    assert "printer" in text
    assert "hosts" in text
    assert "interrupted" not in text
    since = w.mark()
    w.apply(changed)
    assert sorted(w.operations(since)) == [
        "ni1: modify file//run/netnsmgr/instances/ni1/etc/hosts",
        "ni1: modify nft-set/inet netnsmgr_acl eids4",
    ]
    code, text = diff(w, instance("ni1", "10.10.9"))
    assert "dnsmasq" in text
    assert "interrupted" in text


def test_prune(w: World) -> None:
    """`--prune` deletes what the file does not name, says so, and disturbs nobody else."""
    app1 = w.lab.apps["app1"]
    kept = (device(), instance("ni1"), app("app1", "ni1"))
    w.apply(*kept, instance("ni2", "10.10.2"), app("app2", "ni2"))
    app1.dhcp("eth0")
    code, text = diff(w, *kept, options=("--prune",))
    assert code == 1
    assert "ni2" in text
    with Flow(app1) as flow:
        said = w.apply(*kept, options=("--prune",)).stdout
    assert "app/app2 pruned" in said
    assert "network-instance/ni2 deleted" in said
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert "ni2" not in w.sh("ip netns; ip link; ip rule; nft list ruleset; ls /run/netnsmgr/instances")


def test_an_instance_in_use_is_not_deleted(w: World) -> None:
    """Deleting an instance that applications use is refused, and the answer names them."""
    w.apply(device(), instance("ni1"), app("app1", "ni1"))
    said = w.command("delete", "ni", "ni1", code=2).stderr
    assert "ni1" in said
    assert "app1" in said
    w.ready("ni1")
    w.command("delete", "app", "app1")
    assert "network-instance/ni1 deleted" in w.command("delete", "ni", "ni1").stdout
    assert w.command("get", "ni", "-o", "json").stdout.count('"ni1"') == 0


def test_deleted_and_made_again_twenty_times(w: World) -> None:
    """An instance made again at once after its deletion, over and over, works and leaves nothing behind."""
    documents = (instance("ni1"), app("app1", "ni1"))
    w.apply(device(), instance("ni1"))
    w.command("delete", "ni", "ni1")  # the first one leaves empty directories and the like for the next
    before = inventory(w)
    for turn in range(20):
        w.put(*documents)
        if turn % 2:
            # In the other turns it is deleted while it is still being made.
            w.attached("ni1", "app1")
            w.ready("ni1")
        w.put(remove=documents)
        if turn % 4 == 3:
            w.until(lambda: not w.instance("ni1") and not w.agent("ni1"), "ni1 is gone")
    w.apply(*documents)
    app1 = w.lab.apps["app1"]
    app1.dhcp("eth0")
    assert app1.http("http://github.com").startswith("I am github.com")
    assert len(w.pids("^dnsmasq .*/ni1/")) == 1
    w.put(remove=documents)
    w.until(lambda: not w.instance("ni1") and not w.agent("ni1"), "ni1 is gone")
    left = inventory(w)
    assert left == before
    assert w.logged(0, level="error") == []


def inventory(w: World) -> dict[str, Any]:
    """Everything that could be left behind, in the device's root namespace."""
    files = w.sh(
        "find /run/netnsmgr /var/lib/netnsmgr /run/netns -not -path '*/revisions/*' -not -name drift.json"
    ).split()
    return {
        "namespaces": w.sh("ip netns").split(),
        "net files": w.sh("lsns -t net -n -o NS | sort").split(),
        "links": [link["ifname"] for link in json.loads(w.sh("ip -j link"))],
        "rules": w.sh("ip rule").splitlines(),
        "routes": w.sh("ip -4 route show table all").splitlines(),
        "tables": w.sh("nft list tables").splitlines(),
        "files": sorted(files),
        "dnsmasq": w.pids("^dnsmasq"),
        "processes": len(w.pids("[f]orkserver")),
        "mounts": w.sh("grep -c . /proc/mounts"),
    }


def test_a_namespace_of_somebody_else(w: World) -> None:
    """A namespace that has an instance's name already is never touched, and everybody who asks is told so."""
    w.sh("ip netns add ni1; ip -n ni1 link add mine type bridge")
    inode = w.sh("stat -Lc %i /run/netns/ni1")
    words = "a network namespace ni1 exists already and is not netnsmgr's"
    w.put(device(), instance("ni1"))
    w.until(lambda: w.agent("ni1").get("state") == "backing-off", "its agent has tried")
    result = w.apply(device(), instance("ni1"), options=("--timeout", "1s"), code=1)
    assert words in result.stderr
    assert words in w.command("describe", "ni", "ni1").stdout
    assert words in w.command("get", "agents", "-o", "wide").stdout
    assert "mine" in w.sh("ip -n ni1 link")
    w.command("delete", "ni", "ni1", "--timeout", "5s")
    assert w.sh("stat -Lc %i /run/netns/ni1") == inode
    assert "mine" in w.sh("ip -n ni1 link")
    # Made again, and out of the way this time.
    w.put(instance("ni1"))
    w.until(lambda: w.agent("ni1").get("state") == "backing-off", "the same again")
    w.sh("ip netns del ni1")
    w.ready("ni1")


def test_our_own_namespace_deleted_by_hand(w: World) -> None:
    """`ip netns del` of an instance takes only its name away, which it gets back; the traffic goes on."""
    app1 = w.lab.apps["app1"]
    w.apply(device(), instance("ni1"), app("app1", "ni1"))
    w.leased("ni1", "app1")
    since = w.mark()
    with Flow(app1) as flow:
        w.sh("ip netns del ni1")
        w.eventually(lambda: "ni1" in w.sh("ip netns").split(), "the namespace")
        w.kill_agent("ni1")
        w.looked("ni1", since)
        w.kill_agent("uplink")
        w.looked("uplink", since)
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert w.operations(since) == []
    w.command("exec", "ni1", "--", "true")


def test_our_own_namespace_deleted_while_nobody_looks(w: World) -> None:
    """A namespace deleted while the daemon was not running is made anew; nothing of the old one stays in the way."""
    app1 = w.lab.apps["app1"]
    w.apply(device(), instance("ni1"), app("app1", "ni1"))
    app1.dhcp("eth0")
    w.stop()
    w.sh("ip netns del ni1")
    since = w.mark()
    w.restart()
    w.looked("ni1", since)
    w.ready("ni1")
    app1.dhcp("eth0")
    assert app1.http("http://github.com").startswith("I am github.com")
    assert len(w.pids("^dnsmasq .*/ni1/")) == 1

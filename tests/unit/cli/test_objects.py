"""``get``, ``describe``, ``delete``, ``wait``, ``diff``, ``graph``: objects that are there, and those that are not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from netnsmgr.cli import get, output
from netnsmgr.cli.objects import status_rows
from netnsmgr.client.kinds import AGENT, APP, DEVICE, INSTANCE, Kind
from netnsmgr.kernel import graphviz
from netnsmgr.pubsub import tables
from tests.unit.cli.straw import SITE, Machine, Straw


@pytest.fixture
def site(machine: Machine, straw: Straw) -> Machine:
    """A machine with the site applied."""
    assert machine.run("apply", machine.file(SITE)).exit_code == 0
    return machine


@pytest.mark.parametrize("kind", ["ni", "instances", "network-instance", "NetworkInstance"])
def test_kinds_have_many_names(site: Machine, kind: str) -> None:
    """A kind may be named as in documents, as in texts, or shortly."""
    assert "ni1" in site.run("get", kind).stdout


def test_get_apps(site: Machine) -> None:
    """Applications are listed by interface, with the addresses that they hold."""
    heading, line = site.run("get", "apps").stdout.splitlines()
    assert heading.split() == ["APP", "INTERFACE", "NETWORK", "STATE", "ADDRESSES", "MAC", "REASON"]
    assert line.split() == ["app1", "eth0", "ni1", "ready", "10.10.1.50", "02:16:3e:00:00:01"]


@pytest.mark.parametrize("fmt", ["table", "wide"])
def test_get_all(site: Machine, fmt: str) -> None:
    """Without a kind everything is listed, kind by kind."""
    result = site.run("get", "-o", fmt)
    assert result.exit_code == 0, result.output
    headings = [line.split()[0] for line in result.stdout.splitlines() if line[:1].isupper()]
    assert headings == ["DEVICE", "INSTANCE", "APP", "AGENT"]


def test_get_before_any_status(machine: Machine, straw: Straw) -> None:
    """What is configured and not taken up yet is listed as pending."""
    straw.slow = True
    machine.run("apply", "--no-wait", machine.file(SITE))
    for fmt in ("table", "wide"):
        assert machine.run("get", "-o", fmt).stdout.count("pending") == 3


def test_json_is_plain(site: Machine) -> None:
    """``-o json`` is the document with its status, no colour, and can be loaded."""
    one = json.loads(site.run("get", "ni", "ni1", "-o", "json").stdout)
    assert one["kind"] == "NetworkInstance"
    assert one["status"]["state"] == "ready"
    every = yaml.safe_load(site.run("get", "all", "-o", "yaml").stdout)
    assert [item["kind"] for item in every["items"]] == ["Device", "NetworkInstance", "App", "Agent", "Agent"]


def test_unknown_object_lists_the_known(site: Machine) -> None:
    """A wrong name is answered with the right ones."""
    for command in (
        ["get", "ni", "nix"],
        ["describe", "ni", "nix"],
        ["delete", "ni", "nix"],
        ["graph", "nix"],
    ):
        result = site.run(*command)
        assert result.exit_code == 2
        assert "'nix'; those that exist: ni1" in result.stderr


def test_describe(site: Machine) -> None:
    """An instance is shown with configuration, items (only the troubled ones, unless asked for) and users."""
    text = site.run("describe", "ni", "ni1").stdout
    assert "10.10.1.0/24" in text
    items = text[text.index("Items") :].splitlines()
    assert items[0] == "Items: 2 of 4 in place (--all lists them)"
    assert items[1].split() == ["failed", "address/10.10.1.1/24", "EPERM"]
    assert items[2].split() == ["pending", "process/dnsmasq", "lacks", "file/dnsmasq.conf"]
    assert items[3] == ""
    every = site.run("describe", "ni", "ni1", "--all").stdout
    items = every[every.index("Items") :].splitlines()
    assert items[0] == "Items: 2 of 4 in place"
    assert [line.split()[0] for line in items[1:5]] == ["failed", "pending", "created", "external"]
    assert "app1/eth0: ready, 10.10.1.50" in text
    assert "running, pid 42" in text


def test_describe_the_other_side(machine: Machine, straw: Straw) -> None:
    """What an instance has in the device's root namespace is listed as its own items are."""
    straw.status = straw.status | {"uplinkItems": [{"ref": "rule/100", "state": "failed", "error": "EPERM"}]}
    machine.run("apply", machine.file(SITE))
    text = machine.run("describe", "ni", "ni1").stdout
    assert "uplinkItems" not in text
    lines = text[text.index("In the device's root namespace") :].splitlines()
    assert lines[0] == "In the device's root namespace: 0 of 1 in place"
    assert lines[1].split() == ["failed", "rule/100", "EPERM"]


def test_wide_shows_both_links(machine: Machine, straw: Straw) -> None:
    """The link of each version has its pair of addresses."""
    link = {"outer": "169.254.100.0", "inner": "169.254.100.1", "outer6": "fd6e::", "inner6": "fd6e::1"}
    straw.status = straw.status | {"link": link}
    machine.run("apply", machine.file(SITE))
    assert "169.254.100.0 169.254.100.1,fd6e:: fd6e::1" in machine.run("get", "ni", "-o", "wide").stdout


def test_describe_a_lease(machine: Machine, straw: Straw) -> None:
    """The end of a lease is a local time."""
    lease = {"address": "10.10.1.50", "source": "dhcp", "expires": 1_900_000_000}
    straw.status = straw.status | {"addresses": [lease, {"address": "10.10.1.51", "expires": None}]}
    machine.run("apply", machine.file(SITE))
    text = machine.run("describe", "app", "app1").stdout
    assert output.time_of(1_900_000_000) in text
    assert "1900000000" not in text


@pytest.mark.parametrize("named", [("device", "edge"), ("app", "app1"), ("agent", "uplink")])
def test_describe_others(site: Machine, named: tuple[str, str]) -> None:
    """Each kind can be described."""
    result = site.run("describe", *named)
    assert result.exit_code == 0, result.output


def test_delete_by_name(site: Machine, straw: Straw) -> None:
    """Deleting waits until the status is gone."""
    result = site.run("delete", "app", "app1")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("app/app1 deleted\n1 of 1 deleted, ")
    assert not straw.hub.rows(tables.APP_STATUS)


def test_delete_by_file(site: Machine, straw: Straw) -> None:
    """Everything in a file goes in one transaction, users before what they use; what is gone already is said."""
    path = site.file(SITE)
    assert site.run("delete", "-f", path).exit_code == 0
    assert straw.commits == 2
    again = site.run("delete", "-f", path)
    assert again.exit_code == 0
    assert "app/app1 is not there" in again.stdout


def test_delete_needs_to_know_what(site: Machine) -> None:
    """A kind without names deletes nothing."""
    for args in (["delete"], ["delete", "ni"], ["delete", "ni", "ni1", "-f", "x"]):
        assert site.run(*args).exit_code == 2


def test_wait(site: Machine, straw: Straw) -> None:
    """``wait`` has the exit code of what it waited for."""
    assert site.run("wait", "ni/ni1", "app/app1", "device/edge").exit_code == 0
    for name in ("network-instance/ni1", "app/app1"):
        result = site.run("wait", name, "--for", "deleted", "--timeout", "0.5")
        assert result.exit_code == 1
        assert result.stderr.splitlines()[1:] == [f"  {name}: ready, and nobody deletes it"]
    assert site.run("wait", "ni/other", "--for", "deleted").exit_code == 0
    assert site.run("wait", "ni/other").exit_code == 2
    assert site.run("wait", "ni1").exit_code == 2


def test_wait_for_less_time_than_the_daemon_takes_to_answer(site: Machine, straw: Straw) -> None:
    """What is said of an object is how it is, and not that nothing is known of it yet."""
    door = straw.hub._door
    at_once = door._request

    def later(*request: Any) -> None:
        door._loop.call_later(0.1, at_once, *request)

    door._request = later
    result = site.run("wait", "app/app1", "--for", "deleted", "--timeout", "0.01")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == ["  app/app1: ready, and nobody deletes it"]


def test_diff_without_differences(site: Machine) -> None:
    """The same file differs in nothing: exit code 0."""
    result = site.run("diff", site.file(SITE))
    assert (result.exit_code, result.stdout) == (0, "no differences\n")


def test_diff(site: Machine, straw: Straw) -> None:
    """Fields, operations and disturbances are shown; exit code 1; the daemon is asked, not changed."""
    straw.plan = {
        "agents": {"ni1": {"operations": ["create link/bn0"], "disturbs": ["app1/eth0: link is replaced"]}}
    }
    text = SITE.replace("10.10.1.0", "10.10.2.0").replace("app1", "app2")
    result = site.run("diff", "--prune", site.file(text))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "~ network-instance/ni1",
        '    spec.subnets: ["10.10.1.0/24"] -> ["10.10.2.0/24"]',
        "+ app/app2",
        "- app/app1",
        "agent ni1: 1 operations",
        "    create link/bn0",
        "    disturbs app1/eth0: link is replaced",
    ]
    assert straw.asked[0]["prune"] is True
    assert straw.commits == 1
    record = json.loads(site.run("diff", "-o", "json", site.file(text)).stdout)
    assert record["documents"][0]["fields"][0]["new"] == ["10.10.2.0/24"]


def test_diff_of_a_wrong_file(site: Machine, straw: Straw) -> None:
    """The plan's problems point into the file."""
    straw.plan = {"problems": [{"what": "no", "where": ["spec", "type"], "document": 1}]}
    path = site.file(SITE)
    result = site.run("diff", path)
    assert result.exit_code == 2
    assert result.stderr == f"error: {path}:12:9: spec.type: no\n"


def test_graph(site: Machine) -> None:
    """The graph of what is intended has all items, of what is actual only those that are there."""
    intended = site.run("graph", "ni1").stdout
    actual = site.run("graph", "ni1", "--of", "actual").stdout
    assert '"link/bn0" -> "link/lo"' in intended
    assert "process/dnsmasq" in intended
    assert '"link/bn0" -> "link/lo"' in actual
    assert "process/dnsmasq" not in actual
    assert "digraph" in site.run("graph").stdout


@pytest.mark.parametrize(
    ("name", "options", "drawn", "start"),
    [
        ("g.svg", (), "svg", b"drawing"),
        ("g.PNG", (), "png", b"drawing"),
        ("g.pdf", (), "pdf", b"drawing"),
        ("g", ("--format", "png"), "png", b"drawing"),
        ("g.gv", (), "", b"digraph"),
        ("g.txt", (), "", b"digraph"),
    ],
)
def test_graph_by_ending(
    site: Machine,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: tuple[str, ...],
    drawn: str,
    start: bytes,
) -> None:
    """The ending of the file's name says what is written, unless an option does."""
    asked: list[str] = []

    def render(_text: str, fmt: str) -> bytes:
        asked.append(fmt)
        return b"drawing"

    monkeypatch.setattr(graphviz, "render", render)
    result = site.run("graph", "ni1", "-o", str(site.root / name), *options)
    assert result.exit_code == 0, result.output
    assert (site.root / name).read_bytes().startswith(start)
    assert asked == ([drawn] if drawn else [])


@pytest.mark.parametrize("name", ["ni.jpg", "ni"])
def test_graph_of_an_unknown_ending(site: Machine, name: str) -> None:
    """A file whose ending says nothing is not written."""
    result = site.run("graph", "ni1", "-o", str(site.root / name))
    assert result.exit_code == 2
    assert ".dot, .gv, .txt, .svg, .png, .pdf" in result.stderr
    assert not (site.root / name).exists()


def test_daemon_absent(machine: Machine) -> None:
    """Every command that needs a daemon has exit code 3 without one."""
    path = machine.file(SITE)
    for args in (
        ["get"],
        ["describe", "ni", "ni1"],
        ["delete", "ni", "ni1"],
        ["delete", "-f", path],
        ["wait", "ni/ni1"],
        ["diff", path],
        ["graph"],
    ):
        assert machine.run(*args).exit_code == 3, args


@pytest.mark.parametrize(
    ("kind", "name", "agent"), [(DEVICE, "edge", "uplink"), (INSTANCE, "ni1", "ni1"), (APP, "app1", "ni1")]
)
def test_a_status_that_nobody_keeps_true(kind: Kind, name: str, agent: str) -> None:
    """What an agent said last is not the whole truth when it cannot live any more."""
    key = f"ni1/{name}/eth0" if kind is APP else name
    rows: dict[str, Any] = {
        kind.status: {key: {"state": "ready", "reasons": ["x"]}},
        AGENT.status: {agent: {"state": "running"}},
    }
    assert status_rows(kind, name, rows)[key]["reasons"] == ["x"]
    rows[AGENT.status] = {agent: {"state": "backing-off", "cause": "it broke"}}
    assert status_rows(kind, name, rows)[key]["reasons"] == ["its agent fails again and again: it broke", "x"]


@pytest.mark.parametrize("odd", [{"subnets": 5}, {"reasons": 7}, {"state": {}, "reasons": 1}])
def test_a_malformed_status_hides_no_other(odd: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """An agent that somebody has got hold of can say anything of its own instance."""
    rows = {tables.INSTANCE_STATUS: {"ni1": odd, "ni2": {"state": "ready"}}}
    headings, _, lines = get.DRAWN[INSTANCE]
    output.table(headings.split(), [line for name in ("ni1", "ni2") for line in get.drawn(lines, name, rows)])
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert "its status is malformed" in first
    assert second.split()[:2] == ["ni2", "ready"]

"""``netnsmgr apply``: exit codes, what is printed where, and what reaches the daemon."""

from __future__ import annotations

import pytest

from netnsmgr.cli import follow
from netnsmgr.errors import Problem
from netnsmgr.pubsub import tables
from tests.unit.cli.straw import SITE, Machine, Straw

NI9 = """\
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni9}
spec: {type: local, subnets: [10.9.0.0/24]}
"""

STANDS = [
    "ready: device/edge",
    "all of it stays configured as revision 1 and goes on being tried; 'netnsmgr rollback' takes it back",
]


def test_applies_and_waits(machine: Machine, straw: Straw) -> None:
    """Everything of a file is put in one transaction and waited for."""
    result = machine.run("apply", machine.file(SITE))
    assert result.exit_code == 0, result.output
    *lines, last = result.stdout.splitlines()
    assert lines == [
        "device/edge created",
        "network-instance/ni1 created",
        "app/app1 created",
        "device/edge ready",
        "network-instance/ni1 ready",
        "app/app1/eth0 ready",
    ]
    assert last.startswith("3 of 3 ready, ")
    assert result.stderr == ""
    assert straw.commits == 1
    assert set(straw.hub.rows(tables.APP_CONFIG)) == {"app1"}


def test_unchanged_file_says_so(machine: Machine, straw: Straw) -> None:
    """Applying the same file again makes no transaction."""
    path = machine.file(SITE)
    machine.run("apply", path)
    result = machine.run("apply", "-f", path)
    assert result.exit_code == 0
    first, last = result.stdout.splitlines()
    assert first == "nothing to change: all 3 documents are in place already (revision 1)"
    assert last.startswith("3 of 3 ready, ")
    assert straw.commits == 1


def test_only_what_changed_is_named(machine: Machine, straw: Straw) -> None:
    """Of two files, the changed document is named and the others are counted."""
    machine.run("apply", machine.file(SITE))
    result = machine.run(
        "apply", machine.file(SITE.replace("10.10.1.0", "10.10.2.0")), machine.file(NI9, "ni9.yaml")
    )
    assert result.stdout.splitlines()[:3] == [
        "network-instance/ni1 changed",
        "network-instance/ni9 created",
        "2 unchanged (revision 2)",
    ]


def test_standard_input_and_directories(machine: Machine, straw: Straw) -> None:
    """``-`` reads standard input, a directory all of its YAML files."""
    assert machine.run("apply", "-", text=NI9).exit_code == 0
    assert machine.run("apply", str(machine.root)).exit_code == 2
    machine.file(SITE)
    assert machine.run("apply", str(machine.root)).exit_code == 0
    assert set(straw.hub.rows(tables.INSTANCE_CONFIG)) == {"ni1", "ni9"}


def test_refusals_point_into_the_text(machine: Machine, straw: Straw) -> None:
    """All of the daemon's problems are shown with file, line and column, and nothing is changed."""
    straw.problems = lambda changes: [
        Problem("outside the pool", ("spec", "subnets", 0), document=1),
        Problem("there is no network 'ni1'", ("spec", "interfaces", 0, "network"), document=2),
    ]
    path = machine.file(SITE)
    result = machine.run("apply", path)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"error: {path}:14:13: spec.subnets[0]: outside the pool",
        f"error: {path}:22:29: spec.interfaces[0].network: there is no network 'ni1'",
    ]
    assert not straw.hub.rows(tables.INSTANCE_CONFIG)


def test_prune_lists_and_deletes(machine: Machine, straw: Straw) -> None:
    """``--prune`` deletes what the files don't name, says what, and waits until it is gone."""
    machine.run("apply", machine.file(SITE))
    result = machine.run("apply", "--prune", machine.file(NI9))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:4] == [
        "network-instance/ni9 created",
        "app/app1 pruned",
        "network-instance/ni1 pruned",
        "device/edge pruned",
    ]
    assert "network-instance/ni1 deleted" in result.stdout
    assert set(straw.hub.rows(tables.INSTANCE_CONFIG)) == {"ni9"}


def test_problem_of_a_pruned_row_names_the_row(machine: Machine, straw: Straw) -> None:
    """A problem with a deletion has no place in any file, so it names the object."""
    machine.run("apply", machine.file(SITE))
    straw.problems = lambda changes: [Problem("still in use", document=len(changes) - 1)]
    result = machine.run("apply", "--prune", machine.file(NI9))
    assert result.exit_code == 2
    assert result.stderr == "error: still in use (--prune would delete device/edge)\n"


def test_not_ready_in_time(machine: Machine, straw: Straw) -> None:
    """When the time is over, exit code 1, and each object that is not ready is named with its reasons."""
    straw.status = {"state": "degraded", "reasons": ["pending: port eth7"]}
    result = machine.run("apply", "--timeout", "300ms", machine.file(SITE))
    assert result.exit_code == 1
    assert "device/edge ready" in result.stdout
    assert result.stderr.splitlines() == [
        "not ready after 0.3 s:",
        "  network-instance/ni1: pending: port eth7",
        "  app/app1/eth0: pending: port eth7",
        *STANDS,
    ]


def test_says_what_it_waits_for(machine: Machine, straw: Straw, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no terminal shows it, what is waited for is said after a while, and not again in the end."""
    monkeypatch.setattr(follow, "PATIENCE", 0.2)
    straw.status = {"state": "reconciling", "reasons": ["pending: port eth7"]}
    result = machine.run("apply", "--timeout", "600ms", machine.file(SITE))
    assert result.exit_code == 1
    waiting = ["  network-instance/ni1: pending: port eth7", "  app/app1/eth0: pending: port eth7"]
    assert result.stderr.splitlines() == [
        "waiting for:",
        *waiting,
        "not ready after 0.6 s, for the same reasons",
        *STANDS,
    ]


def test_says_all_it_waited_for(machine: Machine, straw: Straw, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not said before, as there was too much of it, is said in the end."""
    monkeypatch.setattr(follow, "PATIENCE", 0.2)
    monkeypatch.setattr(follow, "TOLD", 1)
    straw.status = {"state": "reconciling", "reasons": ["pending: port eth7"]}
    result = machine.run("apply", "--timeout", "600ms", machine.file(SITE))
    said = result.stderr.splitlines()
    assert said[:3] == ["waiting for:", "  network-instance/ni1: pending: port eth7", "  … and 1 more"]
    late = [said[1], "  app/app1/eth0: pending: port eth7"]
    assert said[3:] == ["not ready after 0.6 s:", *late, *STANDS]


def test_an_old_status_is_not_enough(machine: Machine, straw: Straw) -> None:
    """A row that speaks of the revision before is not taken for readiness."""
    machine.run("apply", machine.file(SITE))
    straw.slow = True
    result = machine.run("apply", "--timeout", "0.2", machine.file(SITE.replace("10.10.1.0", "10.10.2.0")))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [
        "  network-instance/ni1: reconciling: the previous configuration is still in place",
        "ready: device/edge, app/app1/eth0",
        STANDS[1].replace("revision 1", "revision 2"),
    ]


def test_no_wait(machine: Machine, straw: Straw) -> None:
    """``--no-wait`` returns when the configuration is accepted."""
    straw.slow = True
    result = machine.run("apply", "--no-wait", machine.file(SITE))
    assert result.exit_code == 0
    assert "ready" not in result.stdout


def test_other_writers_objects_need_takeover(machine: Machine, straw: Straw) -> None:
    """What another program configured is refused, unless one says ``--takeover``."""
    from netnsmgr.pubsub.sync import SyncClient

    machine.run("apply", machine.file(SITE))
    with SyncClient(machine.run_dir, "zedbox") as zedbox:
        row = dict(straw.hub.rows(tables.INSTANCE_CONFIG)["ni1"])
        zedbox.put([(tables.INSTANCE_CONFIG, "ni1", row | {"x": 1})], takeover=True)
    result = machine.run("apply", machine.file(SITE))
    assert result.exit_code == 2
    assert "zedbox" in result.stderr
    assert machine.run("apply", "--takeover", machine.file(SITE)).exit_code == 0


def test_daemon_absent(machine: Machine) -> None:
    """Without a daemon: exit code 3, and what to do."""
    result = machine.run("apply", machine.file(SITE))
    assert result.exit_code == 3
    assert "netnsmgr daemon" in result.stderr


def test_unreadable_input(machine: Machine) -> None:
    """A missing file, an empty one and a broken one are all reported, even without a daemon."""
    broken = machine.file("kind: [\n", "broken.yaml")
    empty = machine.file("", "empty.yaml")
    result = machine.run("apply", "nowhere.yaml", empty, broken)
    assert result.exit_code == 2
    named = {line.split(":")[1].strip() for line in result.stderr.splitlines()}
    assert named == {"nowhere.yaml", empty, broken}


def test_document_without_a_name(machine: Machine, straw: Straw) -> None:
    """A document that does not say what it is is reported together with the faults of the others."""
    path = machine.file(SITE.replace("{name: ni1}", "{}").replace("attach:", "atach:"))
    result = machine.run("apply", path)
    assert result.exit_code == 2, result.output
    assert f"{path}:10:" in result.stderr
    assert "atach" in result.stderr


def test_document_without_a_name_nor_daemon(machine: Machine) -> None:
    """Without a daemon the faults are reported that need no knowledge of other objects."""
    path = machine.file(SITE.replace("{name: ni1}", "{}"))
    result = machine.run("apply", path)
    assert result.exit_code == 2, result.output
    assert f"{path}:10:" in result.stderr
    assert "no network" not in result.stderr


def test_values_that_json_cannot_spell(machine: Machine, straw: Straw) -> None:
    """A value that cannot even be sent is found here, with its place."""
    path = machine.file(SITE.replace("type: local", "mtu: .inf"))
    result = machine.run("apply", path)
    assert result.exit_code == 2, result.output
    assert f"{path}:12:" in result.stderr


def test_written_twice(machine: Machine, straw: Straw) -> None:
    """Documents of one object are refused with both their positions, beside whatever else is wrong."""
    path = machine.file(SITE)
    result = machine.run("apply", path, path)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"error: Device 'edge' is written twice: {path}:1 and {path}:1",
        f"error: NetworkInstance 'ni1' is written twice: {path}:8 and {path}:8",
        f"error: App 'app1' is written twice: {path}:16 and {path}:16",
    ]
    other = machine.file("\n" + NI9 + "---\n" + NI9.replace("local", "locl"), "ni9.yaml")
    first, second = machine.run("apply", path, other).stderr.splitlines()
    assert first == f"error: NetworkInstance 'ni9' is written twice: {other}:2 and {other}:7"
    assert second.startswith(f"error: {other}:10:14: spec.type: ")
    assert straw.commits == 0


def test_no_input_at_all(machine: Machine) -> None:
    """No file named is a mistake of usage, with a hint."""
    result = machine.run("apply")
    assert result.exit_code == 2
    assert "standard input" in result.stderr

"""Changes on trial, rollback and history on the command line: what is printed, and the exit codes."""

from __future__ import annotations

import json
import re

import pytest

from netnsmgr.errors import Problem
from netnsmgr.pubsub import tables
from tests.unit.cli.straw import SITE, Machine, Straw

OTHER = SITE.replace("10.10.1.0", "10.10.2.0")


def states(machine: Machine) -> list[tuple[int, str]]:
    listed = json.loads(machine.run("history", "-o", "json").stdout)
    return [(each["number"], each["outcome"]) for each in listed]


def subnet(straw: Straw) -> str:
    return str(straw.hub.rows(tables.INSTANCE_CONFIG)["ni1"]["spec"]["subnets"][0])


def test_on_trial(machine: Machine, straw: Straw) -> None:
    """It says what has to be done, is in the history while it waits, and can be confirmed once and again."""
    machine.run("apply", machine.file(SITE))
    result = machine.run("apply", "--confirm", "1m", machine.file(OTHER))
    assert result.exit_code == 0
    waits = r"revision 2 waits for confirmation: it is taken back in (60|59) s unless you run 'netnsmgr confirm 2'"
    assert re.fullmatch(waits, result.stdout.splitlines()[-1])
    assert result.stderr == ""
    row = machine.run("history").stdout.splitlines()[-1]
    assert re.search(
        r"^2 .* cli +apply --confirm 60s: NetworkInstance/ni1 changed +present, waits .*, \d+ s left$", row
    )
    assert machine.run("confirm", "2").stdout == "revision 2 is confirmed\n"
    assert machine.run("confirm").stdout == "revision 2 was confirmed already\n"
    assert states(machine) == [(1, ""), (2, "confirmed")]
    assert subnet(straw) == "10.10.2.0/24"


def test_on_trial_without_a_wait(machine: Machine, straw: Straw) -> None:
    """`--no-wait` says it, too; what changes nothing does not wait, and says nothing of it."""
    result = machine.run("apply", "--confirm", "1m", "--no-wait", machine.file(SITE))
    assert "revision 1 waits for confirmation" in result.stdout
    machine.run("confirm")
    assert "waits" not in machine.run("apply", "--confirm", "1m", machine.file(SITE)).stdout


def test_too_late_while_waiting(machine: Machine, straw: Straw) -> None:
    """Waiting for readiness ends with the time to confirm, and says what that means."""
    machine.run("apply", machine.file(SITE))
    straw.slow = True
    result = machine.run("apply", "--confirm", "1s", machine.file(OTHER))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "revision 2 is taken back: nobody confirmed it in time"
    assert "stays configured" not in result.stderr


@pytest.mark.parametrize("duration", ["0s", "500ms", "25h", "soon"])
def test_times_without_sense(machine: Machine, duration: str) -> None:
    """They are refused before anything is asked."""
    result = machine.run("apply", "--confirm", duration, machine.file(SITE))
    assert result.exit_code == 2
    assert "--confirm" in result.stderr


def test_nothing_to_confirm(machine: Machine, straw: Straw) -> None:
    """It is an error, with what became of the last one."""
    result = machine.run("confirm")
    assert (result.exit_code, result.stderr) == (1, "error: nothing waits for confirmation\n")
    machine.run("apply", "--confirm", "1m", machine.file(SITE))
    assert "app/app1 deleted" in machine.run("rollback").stdout.splitlines()
    result = machine.run("confirm")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: nothing waits for confirmation; revision 1 was taken back: cli asked for it\n",
    )


def test_rollback(machine: Machine, straw: Straw) -> None:
    """What went back is named and waited for; what stays as it is another's, too."""
    machine.run("apply", machine.file(SITE))
    machine.run("apply", machine.file(OTHER))
    result = machine.run("rollback")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:3] == [
        "network-instance/ni1 restored",
        "rolled back to revision 1 (revision 3)",
        "network-instance/ni1 ready",
    ]
    assert subnet(straw) == "10.10.1.0/24"
    assert machine.run("rollback", "1").stdout == "nothing to change: all is as in revision 1\n"
    result = machine.run("rollback", "2", "--confirm", "1m")
    assert "revision 4 waits for confirmation" in result.stdout
    result = machine.run("rollback", "1")
    assert result.exit_code == 1
    assert (
        "revision 4 waits for confirmation: confirm it, or take it back by a rollback without a number"
        in result.stderr
    )
    assert "revision 4 is taken back (revision 5)" in machine.run("rollback").stdout
    assert states(machine)[3:] == [(4, "taken back: cli asked for it"), (5, "")]


def test_rollback_refused(machine: Machine, straw: Straw) -> None:
    """All that is wrong, by object and field; exit code 2."""
    machine.run("apply", machine.file(SITE))
    machine.run("apply", machine.file(OTHER))
    straw.problems = lambda changes: [Problem("outside the pool", ("spec", "subnets", 0), 0)]
    result = machine.run("rollback", "1")
    assert result.exit_code == 2
    assert (
        result.stderr == "error: NetworkInstance/ni1, as in revision 1: spec.subnets[0]: outside the pool\n"
    )


def test_diff_of_revisions(machine: Machine, straw: Straw) -> None:
    """One number: what a rollback would change, as the daemon plans it; two: from the one to the other."""
    machine.run("apply", machine.file(SITE))
    machine.run("apply", machine.file(OTHER))
    machine.run("delete", "app", "app1")
    straw.plan = {"agents": {"ni1": {"operations": ["replace process/dnsmasq"], "disturbs": ["dnsmasq"]}}}
    result = machine.run("diff", "--revision", "1")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "~ network-instance/ni1",
        '    spec.subnets: ["10.10.2.0/24"] -> ["10.10.1.0/24"]',
        "+ app/app1",
        "agent ni1: 1 operations",
        "    replace process/dnsmasq",
        "    disturbs dnsmasq",
    ]
    assert [document["kind"] for document in straw.asked[-1]["documents"]] == ["NetworkInstance", "App"]
    assert straw.asked[-1]["deleted"] == []
    result = machine.run("diff", "--revision", "1", "3", "-o", "json")
    assert [(each["name"], each["action"]) for each in json.loads(result.stdout)["documents"]] == [
        ("ni1", "changed"),
        ("app1", "deleted"),
    ]
    assert machine.run("diff", "--revision", "3", "3").exit_code == 0
    straw.plan = {"agents": {}}
    assert machine.run("diff", "--revision", "3").stdout == "no differences\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--revision", "1", "site.yaml"),
        ("--revision", "1", "2", "3"),
        ("--revision", "1", "--prune"),
        ("--all", "site.yaml"),
    ],
)
def test_diff_wrongly_asked(machine: Machine, straw: Straw, arguments: tuple[str, ...]) -> None:
    """Files and revisions are not compared with each other."""
    assert machine.run("diff", *arguments).exit_code == 2


def test_an_empty_history(machine: Machine, straw: Straw) -> None:
    """Before the first change there is nothing to list, and nothing to go back to."""
    assert machine.run("history").stdout == "nothing has been configured yet\n"
    assert machine.run("history", "-o", "json").stdout == "[]\n"
    assert "say which one you want" in machine.run("rollback").stderr
    assert "there is no revision 1; none is kept" in machine.run("diff", "--revision", "1").stderr

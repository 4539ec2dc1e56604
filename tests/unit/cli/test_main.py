"""The entry: unknown commands, versions, errors as exit codes, places."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from netnsmgr import __version__
from netnsmgr.cli import exec_, explain
from netnsmgr.cli.main import COMMANDS, cli
from netnsmgr.errors import ConfigError, KernelError, Problem, Unreachable
from tests.unit.cli.straw import SITE, Machine, Straw


def test_version() -> None:
    """``--version`` prints name and version."""
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"netnsmgr {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    """Each command of the overview exists and documents itself."""
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage:")


def test_unknown_command() -> None:
    """A command that isn't there gets the nearest one offered."""
    result = CliRunner().invoke(cli, ["aply"])
    assert result.exit_code == 2
    assert "did you mean 'apply'" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError([Problem("a"), Problem("b")]), 2, "error: a\nerror: b\n"),
        (Unreachable("no daemon"), 3, "error: no daemon\n"),
        (KernelError("EPERM"), 1, "error: EPERM\n"),
        (KeyboardInterrupt(), 130, "\n"),  # so that the prompt does not follow "^C"
        (click.Abort(), 130, ""),
    ],
)
def test_errors_become_exit_codes(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    """Whatever is raised on purpose is a text on standard error and an exit code, never a traceback."""

    def fails() -> None:
        raise error

    monkeypatch.setattr(explain, "command", click.Command("explain", callback=fails))
    result = CliRunner().invoke(cli, ["explain"])
    assert result.exit_code == code
    assert result.stderr == text
    assert result.stdout == ""


def test_run_dir_from_environment(machine: Machine, straw: Straw) -> None:
    """``NETNSMGR_RUN_DIR`` says where the daemon is."""
    path = machine.file(SITE)
    result = CliRunner().invoke(cli, ["apply", path], env={"NETNSMGR_RUN_DIR": str(machine.run_dir)})
    assert result.exit_code == 0, result.output


def test_durations(machine: Machine) -> None:
    """A duration that is none is explained."""
    result = machine.run("apply", "--timeout", "soon", "x.yaml")
    assert result.exit_code == 2
    assert "60s, 2m or 500ms" in result.stderr


def marked(machine: Machine, name: str) -> None:
    """Leave the mark of an instance's namespace, as its agent does."""
    directory = machine.run_dir / "netns"
    directory.mkdir(parents=True)
    (directory / name).write_text("4026531840")


def test_exec_lists_what_exists(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``exec`` in an instance that is not there names those that are."""
    (tmp_path / "other").touch()
    monkeypatch.setattr(exec_, "NETNS_DIR", str(tmp_path))
    assert "those that exist: none\n" in machine.run("exec", "other", "--", "true").stderr
    marked(machine, "ni1")
    (machine.run_dir / "instances" / "made").mkdir(parents=True)  # its agent is about to make the namespace
    for name in ("ni7", "../instances/ni1", "other", "made"):
        result = machine.run("exec", name, "--", "true")
        assert result.exit_code == 2
        assert "those that exist: ni1\n" in result.stderr
    assert complete(f"netnsmgr --run-dir {machine.run_dir} exec ").splitlines() == ["plain,ni1"]


def test_exec_hands_over(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command's options are its own, and it gets the instance's resolver."""
    from netnsmgr.kernel import namespace

    calls: list[object] = []
    marked(machine, "ni1")
    monkeypatch.setattr(exec_, "NETNS_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        namespace, "exec_in", lambda path, argv, resolv_conf: calls.append((path, argv, resolv_conf))
    )
    assert machine.run("exec", "ni1", "--", "ls", "-l", "--help").exit_code == 0
    assert machine.run("exec", "ni1", "ls", "-l").exit_code == 0
    resolver = f"{machine.run_dir}/instances/ni1/etc/resolv.conf"
    path = f"{tmp_path}/ni1"
    assert calls == [(path, ["ls", "-l", "--help"], resolver), (path, ["ls", "-l"], resolver)]


def test_exec_of_no_program(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that is not there has the exit code that a shell gives it."""
    marked(machine, "ni1")
    monkeypatch.setattr(exec_, "NETNS_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert machine.run("exec", "ni1", "no-such-program").exit_code == 127


def test_exec_needs_root(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without root there is a sentence, not an EPERM."""
    marked(machine, "ni1")
    monkeypatch.setattr(exec_, "NETNS_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = machine.run("exec", "ni1", "true")
    assert result.exit_code == 1
    assert "sudo" in result.stderr


def test_doctor_as_data(machine: Machine) -> None:
    """``doctor -o json`` is one object; its exit code is its verdict."""
    result = machine.run("doctor", "-o", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == (0 if report["ok"] else 1)
    lacking = [c["name"] for c in report["checks"] if c["required"] and not c["ok"]]
    assert bool(lacking) is not report["ok"]
    assert all(bool(c["fix"]) is not bool(c["ok"]) for c in report["checks"])


def test_doctor_as_text(machine: Machine) -> None:
    """What is missing is followed by what it costs and what to do."""
    text = machine.run("--run-dir", "/tmp/" + 110 * "x", "doctor").stdout
    assert "too long a path for a socket" in text
    assert "costs: the daemon cannot make its sockets" in text
    assert "to do: choose another with --run-dir" in text


def test_doctor_leaves_nothing(machine: Machine) -> None:
    """Links, rules and tables are tried elsewhere than in the machine's own namespace."""
    before = sorted(os.listdir("/sys/class/net")), Path("/proc/net/route").read_text()
    machine.run("doctor")
    assert (sorted(os.listdir("/sys/class/net")), Path("/proc/net/route").read_text()) == before


def complete(words: str) -> str:
    env = {"_NETNSMGR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return CliRunner().invoke(cli, [], prog_name="netnsmgr", env=env).stdout


def test_completion() -> None:
    """The shell completes commands and kinds."""
    assert "plain,describe" in complete("netnsmgr de")
    assert "plain,ni" in complete("netnsmgr get ")


def test_completion_of_names(machine: Machine, straw: Straw) -> None:
    """The names of objects come from the daemon; without one there are none, and no traceback."""
    machine.run("apply", machine.file(SITE))
    assert "plain,ni1" in complete(f"netnsmgr --run-dir {machine.run_dir} describe ni n")
    assert complete("netnsmgr --run-dir /nowhere describe ni n").strip() == ""

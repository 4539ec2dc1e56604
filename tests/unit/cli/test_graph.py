"""``graph --topology``: files without a daemon, the running device with one, and what is said to who errs."""

from __future__ import annotations

import shutil

import pytest

from tests.unit.cli.straw import SITE, Machine, Straw


def test_files_need_no_daemon(machine: Machine) -> None:
    """Files are drawn as the whole that they are, wherever there is no daemon; and are the same each time."""
    result = machine.run("graph", "--topology", machine.file(SITE))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith('digraph "edge" {')
    assert "10.10.1.0/24" in result.stdout
    documents = SITE.split("---\n")
    parts = [machine.file(text, f"{n}.yaml") for n, text in enumerate(documents)]
    assert machine.run("graph", "--topology", *parts).stdout == result.stdout
    assert machine.run("graph", "--topology", "-", text=SITE).stdout == result.stdout


def test_running_device(machine: Machine, straw: Straw) -> None:
    """What the daemon knows is drawn without a file: addresses of applications, and states."""
    straw.status = {"state": "degraded", "reasons": ["failed: link/bn0: EPERM"]}
    assert machine.run("apply", "--no-wait", machine.file(SITE)).exit_code == 0
    result = machine.run("graph", "--topology")
    assert result.exit_code == 0, result.output
    for word in ("10.10.1.50", "failed: link/bn0: EPERM", "nm-ni1", "169.254.100.0/31"):
        assert word in result.stdout
    assert "10.10.1.50" not in machine.run("graph", "--topology", machine.file(SITE)).stdout


def test_nothing_is_configured(machine: Machine, straw: Straw) -> None:
    result = machine.run("graph", "--topology")
    assert result.exit_code == 2
    assert "nothing is configured here" in result.stderr


def test_no_daemon(machine: Machine) -> None:
    result = machine.run("graph", "--topology")
    assert result.exit_code == 3
    assert "the daemon is not running" in result.stderr


def test_files_with_errors(machine: Machine) -> None:
    """All errors of all files, where they are; nothing is drawn or written."""
    wrong = machine.file(SITE.replace("10.10.1.0/24", "10.10.1.7/24").replace("network: ni1", "network: nix"))
    target = machine.root / "x.svg"
    result = machine.run("graph", "--topology", wrong, "-o", str(target))
    assert result.exit_code == 2
    assert f"{wrong}:14:13: spec.subnets[0]: '10.10.1.7/24' has host bits set" in result.stderr
    assert f"{wrong}:22:29: spec.interfaces[0].network: unknown network 'nix'" in result.stderr
    assert not target.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--topology", "ni1"), "there is no file 'ni1'"),
        (("--topology", "nix.yaml"), "nix.yaml:1:1: cannot be read: No such file or directory"),
        (("--topology", "--of", "actual", "site.yaml"), "--of is about items"),
        (("--topology", "site.yaml", "-o", "site.jpg"), "cannot tell the format of 'site.jpg'"),
        (("ni1", "ni2"), "graph --topology ni1 ni2"),
    ],
)
def test_errors(machine: Machine, arguments: tuple[str, ...], said: str) -> None:
    result = machine.run("graph", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_file_is_no_instance(machine: Machine, straw: Straw) -> None:
    """Who names a file without the option is told of it."""
    file = machine.file(SITE)
    result = machine.run("graph", file)
    assert result.exit_code == 2
    assert f"to draw a file: netnsmgr graph --topology {file}" in result.stderr


def test_without_graphviz(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to be installed is named, and what works without."""
    monkeypatch.setenv("PATH", str(machine.root))
    result = machine.run("graph", "--topology", machine.file(SITE), "-o", str(machine.root / "x.svg"))
    assert result.exit_code != 0
    assert "apt-get install graphviz" in result.stderr
    assert machine.run("graph", "--topology", machine.file(SITE)).exit_code == 0


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph")]
)
def test_formats(machine: Machine, ending: str, start: bytes) -> None:
    target = machine.root / f"x.{ending}"
    result = machine.run("graph", "--topology", machine.file(SITE), "-o", str(target))
    assert result.exit_code == 0, result.output
    assert target.read_bytes().startswith(start)

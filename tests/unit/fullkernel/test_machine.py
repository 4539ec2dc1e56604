"""What the virtual machine says when it cannot run, and what it is booted with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fullkernel import __main__ as command
from tests.fullkernel import archive, machine
from tests.fullkernel.lacking import Lacking


def test_without_an_emulator_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "QEMU", "qemu-of-nowhere")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for option, code in (("--where-possible", 0), ("--tb=short", 1)):
        monkeypatch.setattr("sys.argv", ["tests.fullkernel", option])
        assert command.main() == code
        said = capsys.readouterr().out
        assert (
            "SKIPPED, its tests did not run: qemu-of-nowhere is missing: make fullkernel installs it" in said
        )


def test_the_newest_kernel_that_is_no_clouds(tmp_path: Path) -> None:
    names = ["vmlinuz-6.1.0-56-amd64", "vmlinuz-6.1.0-57-amd64", "vmlinuz-6.1.0-57-cloud-amd64"]
    for age, name in enumerate(names):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (age, age))
    assert [path.name for path in machine.newest_first(tmp_path.iterdir())] == [names[1], names[0]]


def test_an_entry_of_the_archive_is_padded_to_four_bytes() -> None:
    entry = archive.entry("init", 0o100755, b"12345")
    assert len(entry) % 4 == 0
    assert entry.startswith(b"070701")
    assert b"init\0" in entry


def test_a_module_packed_unheard_of(tmp_path: Path) -> None:
    (tmp_path / "9p.ko.zst").write_text("")
    with pytest.raises(Lacking, match="packed"):
        archive.module(tmp_path / "9p.ko.zst")

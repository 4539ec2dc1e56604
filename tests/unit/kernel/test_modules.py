"""The module that access lists need."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.kernel import modules


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "bridge"
    monkeypatch.setattr(modules, "BRIDGE_PARAMETERS", directory)
    monkeypatch.setattr(modules, "BUILT", tmp_path)
    return directory


def test_loaded_for_us_it_is_off_for_the_device(parameters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []

    def modprobe(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        said.append(argv)
        parameters.mkdir()
        (parameters / "bridge-nf-call-iptables").write_text("1")
        (parameters / "bridge-nf-filter-vlan-tagged").write_text("7")
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(subprocess, "run", modprobe)
    assert modules.bridge_filter() == ""
    assert said == [["modprobe", "br_netfilter"]]
    assert (parameters / "bridge-nf-call-iptables").read_text() == "0"
    assert (parameters / "bridge-nf-filter-vlan-tagged").read_text() == "7"
    (parameters / "bridge-nf-call-iptables").write_text("1")
    assert modules.bridge_filter() == ""
    assert (parameters / "bridge-nf-call-iptables").read_text() == "1"
    assert len(said) == 1


def test_why_it_is_not_loaded(parameters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def modprobe(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(argv, 1, "", "modprobe: FATAL: Module br_netfilter not found.\n")

    monkeypatch.setattr(subprocess, "run", modprobe)
    assert modules.bridge_filter() == "modprobe: FATAL: Module br_netfilter not found."

    def absent(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        raise FileNotFoundError(2, "No such file or directory", "modprobe")

    monkeypatch.setattr(subprocess, "run", absent)
    assert "modprobe" in modules.bridge_filter()


def test_a_module_that_could_be_loaded(parameters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del parameters
    release = modules.BUILT / os.uname().release
    assert not modules.available("br_netfilter")
    release.mkdir()
    (release / "modules.dep").write_text(
        "kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko\n"
    )
    assert modules.available("br_netfilter")
    assert not modules.available("netfilter")

"""What a bug report reads: nothing that an agent leads it to, and no program that does not end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from netnsmgr.kernel import gather


def test_only_an_agents_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, pipes, directories that are links, and files of other names are passed over."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "dnsmasq.conf").write_text("the shadow")
    etc = tmp_path / "instances/ni1/etc"
    etc.mkdir(parents=True)
    (etc / "dnsmasq.1.conf").write_text("port=53")
    (etc / "private.key").write_text("the key")
    (etc / "dnsmasq.link").symlink_to(secret / "dnsmasq.conf")
    os.mkfifo(etc / "radvd.conf")
    (tmp_path / "instances/ni1/dnsmasq").mkdir()
    (tmp_path / "instances/ni1/dnsmasq/dnsmasq.log").write_text("started")
    (tmp_path / "instances/ni2").mkdir()
    (tmp_path / "instances/ni2/etc").symlink_to(secret)
    if os.geteuid() == 0:
        # The agent's user: its link to a directory of root's leads nowhere.
        for path in (
            tmp_path / "instances/ni2",
            tmp_path / "instances/ni1",
            *(tmp_path / "instances/ni1").rglob("*"),
        ):
            os.chown(path, 1_900_000_001, -1, follow_symlinks=False)
    else:
        (tmp_path / "instances/ni2/etc").unlink()
    assert dict(gather.helper_files(str(tmp_path))) == {
        "instances/ni1/etc/dnsmasq.1.conf": "port=53",
        "instances/ni1/dnsmasq/dnsmasq.log": "started",
    }


def test_a_program_that_does_not_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is ended with all that it has started, and what it said until then is kept."""
    monkeypatch.setattr(gather, "SECONDS", 0.5)
    began = time.monotonic()
    text = gather.run(f"echo begun; sleep 1000 & echo $! >{tmp_path}/pid; wait")
    assert text == "begun\n(ended after 0.5 s)\n"
    assert time.monotonic() - began < 20
    pid = int((tmp_path / "pid").read_text())
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.01)
    raise AssertionError("what the shell has started goes on")


def test_long_answers_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "MAX_BYTES", 10)
    assert gather.run("seq 1000").startswith("1\n2\n3\n4\n5\n\n(3893 bytes; the rest is cut off)")


def test_what_is_not_there() -> None:
    assert "not found" in gather.run("no-such-program-anywhere")
    assert gather.tail("/no/such/file").startswith("(")
    assert gather.shell_word("it's") == "'it'\\''s'"

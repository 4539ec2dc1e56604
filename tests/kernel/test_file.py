"""Files and directories of helpers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from netnsmgr.items.file import Directory, File
from tests.kernel.stage import ETC, sh, stage
from tests.lab import isolated

TOP, BELOW = Directory(ETC), Directory(f"{ETC}/hosts", ETC)
FILE = File(f"{ETC}/hosts/static", "10.1.0.9 printer\n")


@isolated
async def test_are_there_as_intended() -> None:
    """A directory and a file in it are made, the directory for us and our helpers alone, whatever our umask, and go
    in the opposite order; the second plan is empty."""
    os.umask(0o077)
    async with stage() as agent:
        assert await agent.bring(TOP, BELOW, FILE) == [f"create {BELOW.ref}", f"create {FILE.ref}"]
        assert Path(FILE.path).read_text() == FILE.text
        assert sh(f"stat -c %a {BELOW.path} {FILE.path}") == "700\n644"
        assert await agent.bring(TOP) == [f"delete {FILE.ref}", f"delete {BELOW.ref}"]


@isolated
async def test_verbs_can_be_repeated() -> None:
    """Making, changing and removing a directory or a file twice is fine."""
    async with stage() as agent:
        await agent.verbs(BELOW, TOP)
        await agent.bring(TOP, BELOW)
        await agent.verbs(FILE, TOP, BELOW, old=replace(FILE, text=""))
        assert os.listdir(BELOW.path) == []


@isolated
async def test_a_change_is_a_new_file() -> None:
    """A new text takes the place of the old in one step: who has the old file open reads it to its end."""
    async with stage() as agent:
        await agent.bring(TOP, BELOW, FILE)
        with open(FILE.path, encoding="ascii") as old:
            assert await agent.bring(TOP, BELOW, replace(FILE, text="other\n")) == [f"modify {FILE.ref}"]
            assert old.read() == FILE.text


@isolated
async def test_strays_and_unfinished_files_go() -> None:
    """Everything below ``etc`` is ours: what nothing describes, and what an interrupted write left, is removed."""
    async with stage() as agent:
        await agent.bring(TOP, BELOW, FILE)
        sh(
            f"echo x >{ETC}/hosts/stray; mkdir -p {ETC}/a/b; echo x >{ETC}/hosts/.static.tmp; echo >>{FILE.path}"
        )
        assert len(await agent.bring(TOP, BELOW, FILE)) == 5
        assert sh(f"cd {ETC}; find . | sort") == ".\n./hosts\n./hosts/static"


@isolated
async def test_the_mode_and_the_helper_are_no_difference() -> None:
    """A file with the same text is the same file: nobody is told to read it again."""
    async with stage() as agent:
        await agent.bring(TOP, BELOW, FILE)
        assert await agent.once(TOP, BELOW, replace(FILE, mode=0o600, reload="dnsmasq")) == []


@isolated
async def test_other_directories_are_not_reported() -> None:
    """What lies beside ``etc`` is not looked at."""
    async with stage() as agent:
        sh(f"mkdir -p {ETC}; echo x >{ETC}/../dnsmasq.pid")
        assert await agent.found() == []

"""A helper program to start: it becomes a daemon as dnsmasq does, and says through a FIFO which signals it gets."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from netnsmgr.items.process import Process, Rights
from netnsmgr.kernel.namespace import inode
from tests.kernel.stage import DIRECTORY, ETC

RIGHTS = Rights(writes=(DIRECTORY, "/run"), programs=True)
HEARD = "/run/heard"
PROGRAM = "/run/helper"
SCRIPT = f"""
# Started with a configuration file; the daemon has the same vector, like dnsmasq.
if [ "$DAEMON" = "" ]; then
    grep -q bad "$1" && {{ echo "bad option in $1" >&2; exit 1; }}
    DAEMON=1 setsid /bin/sh "$0" "$@" >/dev/null 2>&1 3>/run/ready &
    read ready </run/ready
    exit 0
fi
trap 'echo HUP >{HEARD}' HUP
trap 'grep -q stubborn "$1" || {{ kill $!; exit 0; }}' TERM
grep -q forking "$1" && (while :; do sleep 1000; done) &
echo $$ >{DIRECTORY}/helper.pid
echo >&3; exec 3>&-
# A signal just before "wait" is looked at when that ends.
while :; do sleep 0.2 & wait; done
"""


def install() -> None:
    """Write the program, and make its FIFOs."""
    Path(PROGRAM).write_text(SCRIPT)
    for fifo in ("/run/ready", HEARD):
        os.mkfifo(fifo)


def helper(digest: str = "0", text: str = "", *, number: int | None = None) -> Process:
    """The item of a helper whose configuration has this digest and text, for this namespace or another."""
    path = f"{ETC}/helper.{number or inode()}.{digest}.conf"
    Path(ETC).mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return Process("helper", ("/bin/sh", PROGRAM, path), rights=RIGHTS)


async def heard() -> str:
    """The next signal that the helper got."""
    return await asyncio.wait_for(asyncio.to_thread(Path(HEARD).read_text), 5)


def pid() -> int:
    return int(Path(DIRECTORY, "helper.pid").read_text())

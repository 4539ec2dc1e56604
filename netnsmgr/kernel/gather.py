"""What a report of a fault needs to know of the machine: answers of the usual tools, in each namespace, without secrets."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SECONDS = 10.0
"""That a tool has to answer."""
MAX_BYTES = 4 << 20
"""Of one answer; the rest is cut off."""
PINS = "/run/netns"

LIBRARIES = ("pyroute2", "pip-nftables", "pyzmq", "pydantic", "PyYAML", "structlog", "h11", "dnslib", "vici")
NETWORK = (
    ("ip -details -statistics link", "links"),
    ("ip address", "addresses"),
    ("ip rule; ip -6 rule", "rules"),
    ("ip route show table all; ip -6 route show table all", "routes"),
    ("ip neighbour; ip -6 neighbour", "neighbours"),
    ("bridge -details link; bridge vlan; bridge fdb", "bridges"),
    ("tc -statistics qdisc", "qdiscs"),
    ("ss --tcp --udp --raw --listening --numeric --processes; ss --summary", "sockets"),
    ("nft --handle list ruleset", "nft"),
    # Without the keys, which ip(8) shows otherwise; wg(8) shows them to nobody who asks like this.
    ("ip xfrm state list nokeys; ip xfrm policy", "xfrm"),
    ("wg show", "wireguard"),
    ("sysctl -a --pattern '^net[.](ipv[46][.](conf|neigh|ip_forward)|bridge|netfilter[.]nf_conntrack_(count|max))'", "sysctl"),
)  # fmt: skip
"""Commands of the shell and the file that they fill, for each network namespace."""
MACHINE = (
    ("uname -a; cat /etc/os-release; uptime", "machine"),
    ("cat /proc/meminfo /proc/loadavg /proc/pressure/* 2>&1", "memory"),
    ("lsmod | sort", "modules"),
    ("ip netns list; ls -li /run/netns", "namespaces"),
    ("for p in nft dnsmasq radvd unbound charon-systemd; do command -v $p && $p --version 2>&1 | head -2; done", "tools"),
    ("journalctl --unit netnsmgr --lines 5000 --no-pager --output short-iso 2>&1", "journal"),
)  # fmt: skip
HELPERS = ("dnsmasq", "names", "forwarder", "radvd", "unbound", "tayga", "dhcp")
"""Beginnings of names of helpers' files that hold no secrets; no other file is read."""


def run(script: str, netns: str | None = None) -> str:
    """Return what a script of the shell says, in a namespace by its name; never raises for what the script does."""
    argv = ["nsenter", f"--net={PINS}/{netns}", "--"] if netns else []
    try:
        done = subprocess.run(
            [*argv, "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"({error})\n"
    text = done.stdout[:MAX_BYTES].decode("utf-8", "replace")
    return (
        text
        if len(done.stdout) <= MAX_BYTES
        else text + f"\n({len(done.stdout)} bytes; the rest is cut off)\n"
    )


def answers(commands: Sequence[tuple[str, str]], netns: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield the name of a file and its text, for each of ``commands``."""
    for script, name in commands:
        yield f"{name}.txt", f"# {script}\n{run(script, netns)}"


def versions() -> str:
    """Return the interpreter and the libraries of ours."""
    lines = [f"python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} is not there")
    return "\n".join(lines) + "\n"


def processes(run_dir: str) -> str:
    """Return our processes and helpers, with user, memory and age; not others', whose arguments are not ours to show."""
    words = (run_dir, "netnsmgr")
    listed = run("ps -eo pid,ppid,user,stat,rss,etimes,comm,args --width 500")
    head, *lines = listed.splitlines() or [""]
    return "\n".join([head, *(line for line in lines if any(word in line for word in words))]) + "\n"


def listing(directory: str) -> str:
    """Return which files are in a directory of ours: names, sizes, owners, times."""
    return run(f"ls -lAR --time-style=full-iso {shell_word(directory)}")


def instances(run_dir: str) -> list[str]:
    """Return the instances that have a namespace, by the run directory: whether or not a daemon runs."""
    return sorted(
        path.name for path in Path(run_dir, "instances").glob("*") if Path(PINS, path.name).exists()
    )


def helper_files(run_dir: str) -> Iterator[tuple[str, str]]:
    """Yield the helpers' configuration by its path below the run directory."""
    for path in sorted(Path(run_dir, "instances").glob("*/etc/*")):
        if path.name.startswith(HELPERS) and not path.is_symlink() and path.is_file():
            try:
                with path.open("rb") as file:
                    yield str(path.relative_to(run_dir)), file.read(MAX_BYTES).decode("utf-8", "replace")
            except OSError as error:
                yield str(path.relative_to(run_dir)), f"({error})\n"


def tail(path: str) -> str:
    """Return the end of a file."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - MAX_BYTES))
            return file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return f"({error})\n"


def shell_word(text: str) -> str:
    """Return a text as one word of the shell."""
    return "'" + text.replace("'", "'\\''") + "'"

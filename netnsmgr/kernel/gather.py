"""What a report of a fault needs to know of the machine: answers of the usual tools, in each namespace, without secrets."""

from __future__ import annotations

import os
import platform
import signal
import stat
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
    # charon has no option for this: it would start, in the device's own namespace.
    ("for p in nft dnsmasq radvd wireguard-go swanctl; do command -v $p && $p --version 2>&1 | head -2; done", "tools"),
    ("journalctl --unit netnsmgr --lines 5000 --no-pager --output short-iso 2>&1", "journal"),
)  # fmt: skip
HELPERS = (
    *(f"etc/{name}*" for name in ("dnsmasq", "names", "forwarder", "radvd", "unbound", "tayga", "dhcp")),
    "*/*.log",
)
"""Helpers' files in an instance's directory that hold no secrets; no other file is read."""


def run(script: str, netns: str | None = None) -> str:
    """Return what a script of the shell says, in a namespace by its name; never raises for what the script does."""
    argv = ["nsenter", f"--net={PINS}/{netns}", "--"] if netns else []
    try:
        popen = subprocess.Popen(
            [*argv, "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        return f"({error})\n"
    late = ""
    try:
        said, _ = popen.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(popen.pid, signal.SIGKILL)  # with what the shell has started
        said, _ = popen.communicate()
        late = f"(ended after {SECONDS:g} s)\n"
    rest = f"\n({len(said)} bytes; the rest is cut off)\n" if len(said) > MAX_BYTES else ""
    return said[:MAX_BYTES].decode("utf-8", "replace") + rest + late


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
    """Yield the helpers' configuration and logs by their path below the run directory."""
    for directory in sorted(Path(run_dir, "instances").glob("*")):
        for path in sorted({path for pattern in HELPERS for path in directory.glob(pattern)}):
            text = _file_of(path, directory)
            if text is not None:
                yield str(path.relative_to(run_dir)), text


def _file_of(path: Path, directory: Path) -> str | None:
    """Return what is in an agent's file; None if it is none.

    Whoever has got hold of an agent can put anything there, links to others' files too: root reads only what is the
    agent's own.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != directory.lstat().st_uid:
            return None
        return file.read(MAX_BYTES).decode("utf-8", "replace")


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

"""What this machine lacks: privileges, kernel, programs, libraries, directories, each with its price.

Nothing of the machine is changed.  Whatever has to be tried on links, rules or nftables is tried by
``netnsmgr.kernel.scratch`` inside a network namespace that disappears with the process that made it.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

from netnsmgr.kernel import backends, doctor_engine, doctor_rights, doctor_vpn, scratch


@dataclass(frozen=True)
class Check:
    """One line of the report.  ``ok`` is None where it could not be found out."""

    group: str
    name: str
    ok: bool | None
    detail: str
    required: bool
    costs: str
    """What does not work when it is missing."""
    fix: str
    """How to get it; empty when it is there."""


def examine(run_dir: str, state_dir: str, engine: str = "") -> list[Check]:
    """Return all checks, in the order in which a reader should repair them; ``engine``: where containers' engine listens."""
    return [
        *_privileges(),
        *_kernel(),
        *_programs(),
        *_tunnels(),
        *_containers(engine),
        *_libraries(),
        *_directories(run_dir, state_dir),
    ]


# --- privileges -------------------------------------------------------------------------------------------

CAPABILITIES = {
    "CHOWN": (0, "agents cannot be given their directories, and do not start"),
    "DAC_OVERRIDE": (1, "the helpers' files cannot be written"),
    "FOWNER": (3, "the helpers' files cannot be written"),
    "KILL": (5, "agents cannot be ended"),
    "SETGID": (6, "agents cannot give up root, and do not start"),
    "SETUID": (7, "agents cannot give up root, and do not start"),
    "SETPCAP": (8, "agents cannot give up what they do not need, and do not start"),
    "NET_BIND_SERVICE": (10, "no DNS and no DHCP server (ports below 1024)"),
    "NET_ADMIN": (12, "no links, addresses, routes or packet filter: nothing works"),
    "NET_RAW": (13, "no DHCP server (it answers through raw sockets)"),
    "SYS_PTRACE": (19, "no applications by process id, no name again for a namespace that lost it"),
    "SYS_ADMIN": (21, "no network namespaces: nothing works"),
}
"""Capability → its bit in CapEff (linux/capability.h), and what fails without."""


def _privileges() -> Iterator[Check]:
    uid = os.geteuid()
    yield Check(
        "privileges",
        "root",
        uid == 0,
        f"effective user id {uid}",
        True,
        "the daemon cannot run",
        _unless(uid == 0, "run it as root"),
    )
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    effective = int(found[1], 16) if found else 0
    missing = [name for name, (bit, _) in CAPABILITIES.items() if not effective >> bit & 1]
    costs = "; ".join(dict.fromkeys(CAPABILITIES[name][1] for name in missing or ["NET_ADMIN", "SYS_ADMIN"]))
    yield Check(
        "privileges",
        "capabilities",
        not missing,
        f"missing: {', '.join(missing)}" if missing else "all that are used",
        True,
        costs,
        _unless(not missing, "in a container: --cap-add " + " --cap-add ".join(missing)),
    )
    for name, ok, detail, costs, fix in doctor_rights.bounds():
        yield Check("privileges", name, ok, detail, False, costs, _unless(ok, fix))


def _unless(ok: bool | None, fix: str) -> str:
    return "" if ok else fix


# --- kernel -----------------------------------------------------------------------------------------------


def _kernel() -> Iterator[Check]:
    release = os.uname().release
    for probe, (ok, detail) in scratch.probe_all().items():
        yield Check(
            "kernel",
            probe.name,
            ok,
            detail or f"kernel {release}",
            probe.required,
            probe.costs,
            _unless(ok, probe.fix if ok is False else "not tried: see the lines above"),
        )


# --- programs ---------------------------------------------------------------------------------------------


def _program(
    name: str, package: str, costs: str, *, required: bool = False, judge: Callable[[str], str] | None = None
) -> Check:
    """Look a program up; ``judge`` reads the output of ``--version`` and returns what is wrong with it."""
    # Root's PATH often lacks the sbin directories when one comes by su or from cron.
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    fault = "" if path else "not found"
    detail = path or fault
    if path and judge:
        version = _version(path)
        fault = judge(version)
        detail = fault or f"{path}, {version.splitlines()[0] if version else 'no version'}"
    return Check(
        "programs", name, not fault, detail, required, costs, _unless(not fault, f"apt-get install {package}")
    )


def _version(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout


def judge_dnsmasq(version: str) -> str:
    """Say what is wrong with a dnsmasq, from its ``--version``; empty: nothing.

    2.87 is the oldest that the project was tried with.
    """
    found = re.search(r"version (\d+)\.(\d+)", version)
    if not found:
        return "says no version"
    if (int(found[1]), int(found[2])) < (2, 87):
        return f"version {found[1]}.{found[2]} is older than 2.87"
    return ""


def _unbound_profile() -> Iterator[Check]:
    """Debian's AppArmor profile lets unbound read nothing outside of /etc/unbound."""
    try:
        enforced = "\nunbound (enforce)" in "\n" + Path("/sys/kernel/security/apparmor/profiles").read_text()
    except OSError:
        return
    local = Path("/etc/apparmor.d/local/usr.sbin.unbound")
    rule = "/run/netnsmgr/instances/*/etc/unbound.* r,"
    if enforced:
        ok = local.is_file() and rule in local.read_text()
        yield Check(
            "programs",
            "AppArmor profile of unbound",
            ok,
            f"{local} {'lets' if ok else 'does not let'} it read what the daemon writes",
            False,
            "no names of IPv4 hosts in instances with 'nat64'",
            _unless(ok, f"echo '{rule}' >>{local}; apparmor_parser -r /etc/apparmor.d/usr.sbin.unbound"),
        )


def _programs() -> Iterator[Check]:
    yield _program(
        "dnsmasq",
        "dnsmasq-base",
        "no DHCP and no DNS in any network instance",
        required=True,
        judge=judge_dnsmasq,
    )
    yield _program(
        "dhcp_release", "dnsmasq-utils", "an application that left keeps its lease until it expires"
    )
    yield _program("radvd", "radvd", "applications find no IPv6 router and make no IPv6 addresses")
    yield _program("udhcpc", "udhcpc", "no ports with 'dhcp: true'; no demo")
    yield _program("dhcpcd", "dhcpcd-base", "no ports with 'dhcp6: true', no delegated IPv6 prefixes")
    yield _program("tayga", "tayga", "no instances with 'nat64'")
    yield _program("unbound", "unbound", "no names of IPv4 hosts in instances with 'nat64'")
    yield from _unbound_profile()
    yield _program("wg", "wireguard-tools", "no WireGuard by any backend; no 'netnsmgr wireguard'")
    yield _program("ip", "iproute2", "operators lose 'ip netns exec'; no demo and no kernel tests")
    yield _program("nft", "nftables", "operators cannot list an instance's rules; no kernel tests")
    yield _program("dot", "graphviz", "no 'netnsmgr graph --format svg'")


def _tunnels() -> Iterator[Check]:
    for name, ok, detail, costs, fix in doctor_vpn.lines(backends.attempts()):
        yield Check("tunnels", name, ok, detail, False, costs, fix)


def _containers(engine: str) -> Iterator[Check]:
    ok, detail = doctor_engine.line(engine)
    fix = _unless(ok, doctor_engine.FIX)
    yield Check("containers", "container engine", ok, detail, False, doctor_engine.COSTS, fix)


# --- libraries --------------------------------------------------------------------------------------------

LIBRARIES = {
    "pyroute2": "pyroute2",
    "nftables": "pip-nftables",
    "dnslib": "dnslib",
    "zmq": "pyzmq",
    "pydantic": "pydantic",
    "structlog": "structlog",
    "yaml": "PyYAML",
    "h11": "h11",
    "rich": "rich",
    "segno": "segno",
    "vici": "vici",
}

SPARED = {
    "h11": "no metadata service, no applications in containers",
    "segno": "no QR codes (netnsmgr wireguard peer add --qr)",
    "vici": "no IPsec",
}
"""Those without which the daemon starts all the same, and what they cost."""


def _libraries() -> Iterator[Check]:
    for module, package in LIBRARIES.items():
        try:
            import_module(module)
            ok, detail = True, f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            ok, detail = True, "not from a Python package"
        except Exception as error:
            ok, detail = False, f"{type(error).__name__}: {error}"
        yield Check(
            "libraries",
            module,
            ok,
            detail,
            module not in SPARED,
            SPARED.get(module, "the daemon does not start"),
            _unless(ok, f"pip install {package}"),
        )
    try:
        ctypes.CDLL("libnftables.so.1")
        ok, detail = True, "loads"
    except OSError as error:
        ok, detail = False, str(error)
    yield Check(
        "libraries",
        "libnftables.so.1",
        ok,
        detail,
        True,
        "no packet filter and no NAT",
        _unless(ok, "apt-get install libnftables1"),
    )


# --- directories ------------------------------------------------------------------------------------------

SOCKET_PATH = 107
"""Longest path of a Unix socket, in bytes (sun_path less its NUL, unix(7))."""


def _directories(run_dir: str, state_dir: str) -> Iterator[Check]:
    for option, directory, costs in (
        ("--run-dir", run_dir, "the daemon cannot make its sockets"),
        ("--state-dir", state_dir, "configuration does not survive a restart of the daemon"),
    ):
        there = Path(directory).absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        ok = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
        detail = f"{directory}: {'writable' if ok else f'{there} is not writable'}"
        longest = len(os.fsencode(os.path.join(os.path.abspath(directory), "updates.sock")))
        if option == "--run-dir" and longest > SOCKET_PATH:
            ok, detail = False, f"{directory}: too long a path for a socket ({longest} > {SOCKET_PATH} bytes)"
        yield Check(
            "directories",
            option.lstrip("-"),
            ok,
            detail,
            True,
            costs,
            _unless(ok, f"choose another with {option}"),
        )

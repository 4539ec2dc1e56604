"""Kernel modules that nothing loads by itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

BRIDGE_PARAMETERS = Path("/proc/sys/net/bridge")
"""There once br_netfilter is (net/bridge/br_netfilter_hooks.c)."""
BRIDGE_FILTER = "br_netfilter"
BUILT = Path("/lib/modules")


def bridge_filter() -> str:
    """Have the module br_netfilter loaded; return why it is not, or an empty text.

    Loaded, it has the packets of all bridges pass iptables and nftables.  Who has not asked for that shall not notice: in
    this namespace, the device's, it is switched off.  Each instance switches it on for itself.
    """
    if BRIDGE_PARAMETERS.is_dir():
        return ""
    try:
        done = subprocess.run(
            ["modprobe", BRIDGE_FILTER], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if not BRIDGE_PARAMETERS.is_dir():
        return done.stderr.strip() or f"modprobe {BRIDGE_FILTER} ended with {done.returncode}"
    for file in BRIDGE_PARAMETERS.glob("bridge-nf-call-*"):
        file.write_text("0")
    return ""


def available(module: str) -> bool:
    """Say whether this kernel has a module to load, by the lists of depmod(8)."""
    directory = BUILT / os.uname().release
    for name in ("modules.dep", "modules.builtin"):
        try:
            text = (directory / name).read_text(errors="replace")
        except OSError:
            continue
        if f"/{module}.ko" in text:
            return True
    return False

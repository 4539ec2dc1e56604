"""Keys of WireGuard, made by ``wg``.  They pass through pipes alone: arguments can be read by every user."""

from __future__ import annotations

import subprocess
from typing import NamedTuple

from netnsmgr.errors import KernelError

TIMEOUT = 10
"""Seconds; ``wg`` waits for nothing but the kernel's random numbers."""


class Pair(NamedTuple):
    """A private key and its public key, both 32 bytes in base64."""

    private: str
    public: str


def pair() -> Pair:
    """Return a new pair; raises KernelError."""
    private = _wg("genkey")
    return Pair(private, public_of(private))


def public_of(private: str) -> str:
    """Return the public key of a private one; raises KernelError if that is no key."""
    return _wg("pubkey", private)


def preshared() -> str:
    """Return a new key that both ends are to have; raises KernelError."""
    return _wg("genpsk")


def _wg(command: str, text: str = "") -> str:
    try:
        done = subprocess.run(
            ["wg", command], input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise KernelError("wg is not installed: apt-get install wireguard-tools") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KernelError(f"wg {command}: {error}") from None
    if done.returncode:
        raise KernelError(f"wg {command}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout.strip()

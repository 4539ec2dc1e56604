"""Names of links that are made of other names, within the kernel's 15 bytes."""

from __future__ import annotations

import hashlib
from base64 import b32encode

IFNAMSIZ = 15  # without the terminating zero of the kernel's IFNAMSIZ
BIRTH_PREFIX = "nmw-"


def short_name(prefix: str, name: str) -> str:
    """Return a link name of at most 15 characters that is unique for ``name``; readable where it fits."""
    if len(prefix + name) <= IFNAMSIZ:
        return prefix + name
    # Six of 32 characters: of a thousand names alike, two are the same in one device of two thousand.
    digest = b32encode(hashlib.sha256(name.encode()).digest()).decode("ascii").lower()[:6]
    return f"{prefix}{name[: IFNAMSIZ - len(prefix) - 7]}-{digest}"


def birth_name(instance: str, tunnel: str) -> str:
    """Return what a WireGuard interface is called where it is born, before it is moved into its instance under its name.

    By this name, too, ``wg`` finds wireguard-go, for ever (``/var/run/wireguard/<name>.sock``).
    """
    return short_name(BIRTH_PREFIX, f"{instance}.{tunnel}")

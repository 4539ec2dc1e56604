"""Directories of the device's that programs insist on, and that are others', too: lent to helpers that are not root.

wireguard-go makes its socket in one of them and dhcpcd keeps leases and process ids in the others, whatever they are told.
The group of the uplink agent may write there from now on, and the sticky bit keeps what is another's from it (unlink(2));
owner, and what others may, stay as they are.
"""

from __future__ import annotations

import os
import shutil
import stat

WIREGUARD = "/var/run/wireguard"
DHCPCD = ("/run/dhcpcd", "/var/lib/dhcpcd")


def lend(group: int | None) -> None:
    """Let a group write there; made where it is missing.  None: for nobody but root.  As root; raises OSError."""
    if shutil.which("wireguard-go"):
        # It makes its directory for everybody to look into; but others have only to pass.
        _open(WIREGUARD, group, 0o711)
    if shutil.which("dhcpcd") and group is not None:
        for path in DHCPCD:
            _open(path, group, 0o755)


def _open(path: str, group: int | None, mode: int) -> None:
    os.makedirs(path, mode=mode, exist_ok=True)
    if group is None:
        return
    found = os.stat(path)
    wanted = stat.S_IMODE(found.st_mode) | stat.S_ISVTX | stat.S_IRWXG | stat.S_IXOTH
    if found.st_gid != group:
        os.chown(path, -1, group)
    if stat.S_IMODE(found.st_mode) != wanted:
        os.chmod(path, wanted)

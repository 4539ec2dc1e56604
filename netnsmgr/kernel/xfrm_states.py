"""The kernel's ESP states of this namespace, and the removal of those that nobody drives any more.

A charon that is killed leaves its states, by which packets pass again as soon as there is a socket that takes ESP out of UDP.
Its successor knows nothing of them and makes others beside them; the old ones would stay until their hard lifetime, an hour.  Layouts are those of linux/xfrm.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection
from typing import NamedTuple

from netnsmgr.errors import KernelError
from netnsmgr.kernel.nfnetlink import NLM_F_ACK, NLM_F_DUMP
from netnsmgr.kernel.route_socket import RouteSocket

NETLINK_XFRM = 6
XFRM_MSG_DELSA, XFRM_MSG_GETSA = 0x11, 0x12

_ID = struct.Struct("=16s4sHBx")
"""``xfrm_usersa_id``: destination, SPI, family, protocol."""
_INFO = struct.Struct("=56x16s4sB99xQ28xH")
"""Of ``xfrm_usersa_info``: destination, SPI, protocol, when it was added, family.  Keys come behind it, and are not read."""


class XfrmState(NamedTuple):
    """One state; ``added`` in seconds since the epoch, ``which`` is how the kernel is told which."""

    spi: int
    added: int
    which: bytes


def states() -> list[XfrmState]:
    """Return all states of the namespace; ``KernelError`` if the kernel does not tell."""
    try:
        with RouteSocket(protocol=NETLINK_XFRM) as xfrm:
            answers = xfrm.request(XFRM_MSG_GETSA, NLM_F_DUMP, b"")
    except OSError as error:
        raise KernelError(f"states of IPsec: {error}") from error
    found = []
    for data, start, _ in answers:
        destination, spi, protocol, added, family = _INFO.unpack_from(data, start)
        which = _ID.pack(destination, spi, family, protocol)
        found.append(XfrmState(int.from_bytes(spi, "big"), added, which))
    return found


def end_older(moment: float, but: Collection[int]) -> int:
    """Remove the states that were made before a moment, but those with these SPIs; how many.  Raises ``KernelError``."""
    old = [each for each in states() if each.added < int(moment) and each.spi not in but]
    with RouteSocket(protocol=NETLINK_XFRM) as xfrm:
        for each in old:
            try:
                xfrm.request(XFRM_MSG_DELSA, NLM_F_ACK, each.which)
            except OSError as error:
                if error.errno != errno.ESRCH:  # it ended by itself meanwhile
                    raise KernelError(f"states of IPsec: {error}") from error
    return len(old)

"""How an IPsec connection fares, and what a charon before this one has left of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from netnsmgr.errors import KernelError
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.ipsec import vici_socket
from netnsmgr.features.vpn.ipsec_errors import Trouble
from netnsmgr.features.vpn.ipsec_state import IkeSa
from netnsmgr.kernel.xfrm_states import end_older

log = structlog.get_logger()


@dataclass
class Course:
    """How a connection fares; times are the loop's."""

    trouble: Trouble | None = None
    attempt: str = ""
    pause: float = 0.0
    due: float = 0.0
    up: float | None = None
    turn: int = 0
    """Which of the other end's addresses is asked."""

    def hurry(self) -> None:
        """Try at once: something is different."""
        self.pause = self.due = 0.0


def end_relics(scope: InstanceScope, sas: Iterable[IkeSa]) -> None:
    """Remove the kernel's states of a charon that was killed, once its successor has made its own: until then they serve.

    They are older than the socket on which this charon listens, and it knows none of them.  (Its own may seem older, where
    the clock was set back.)
    """
    if scope.vpn.esp != "kernel":
        return
    known = {int(spi, 16) for sa in sas for child in sa.children for spi in child.spis if spi}
    try:
        number = end_older(os.stat(vici_socket(scope)).st_mtime, known)
    except (KernelError, OSError) as error:
        log.warning("IPsec", error=str(error))
        return
    if number:
        log.info("states of an earlier charon removed", number=number)

"""What the uplink agent has to remember of delegated prefixes: who had which part, and for how long."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from ipaddress import IPv6Network
from typing import Any

from netnsmgr.agent.memory import put
from netnsmgr.features.delegation import Share
from netnsmgr.features.nets import Delegated


class PrefixMemory:
    """Owns two files called ``prefixes.json``: which part of a delegated prefix is whose, in the state directory, as an
    instance shall have the same after a reboot; and the prefixes with their times, in the run directory, which goes with
    the clock that the times are of.
    """

    def __init__(self, state_dir: str, run_dir: str) -> None:
        self._lasting = os.path.join(state_dir, "prefixes.json")
        self._passing = os.path.join(run_dir, "prefixes.json")
        self.shares: dict[str, Share] = {}
        lasting, passing = _record(self._lasting), _record(self._passing)
        with suppress(ValueError, KeyError, TypeError):
            self.shares = {
                name: Share(port, number, tuple(map(_delegated, passing.get(name, ()))))
                for name, (port, number) in lasting.items()
            }

    def keep(self, shares: dict[str, Share]) -> None:
        """Put on record who has what."""
        before, self.shares = self.shares, shares
        if _numbers(before) != _numbers(shares):
            os.makedirs(os.path.dirname(self._lasting), exist_ok=True)
            put(self._lasting, _numbers(shares))
        if before != shares:
            parts = {name: [_row(part) for part in share.parts] for name, share in shares.items()}
            put(self._passing, parts)


def _numbers(shares: dict[str, Share]) -> dict[str, tuple[str, int]]:
    return {name: (share.port, share.number) for name, share in shares.items()}


def _row(part: Delegated) -> tuple[str, int, int]:
    return str(part.prefix), part.preferred_until, part.valid_until


def _delegated(row: tuple[str, int, int]) -> Delegated:
    prefix, preferred, valid = row
    return Delegated(IPv6Network(prefix), preferred, valid)


def _record(path: str) -> dict[str, Any]:
    with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        record = json.load(file)
        return record if isinstance(record, dict) else {}
    return {}

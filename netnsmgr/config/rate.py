"""Rates and bursts of a limit, as people write them and as the kernel can count them."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from netnsmgr.config.values import text

Per = Literal["second", "minute", "hour"]
Unit = Literal["packets", "bytes"]

SECONDS: dict[str, int] = {"second": 1, "minute": 60, "hour": 3600}
_BYTES = {"bytes": 1, "kbytes": 1024, "mbytes": 1024 * 1024}
_RATE = re.compile(r"([0-9]{1,18})(?: *(bytes|kbytes|mbytes))? */ *(second|minute|hour)")
_BURST = re.compile(r"([0-9]{1,18}) *(bytes|kbytes|mbytes)")


class Rate(NamedTuple):
    """So many packets or bytes in a unit of time; kbytes are 1024 bytes, as in nft."""

    amount: int
    unit: Unit
    per: Per

    def __str__(self) -> str:
        return f"{self.amount}{' bytes' if self.unit == 'bytes' else ''}/{self.per}"


def rate(value: object) -> Rate:
    """Read ``5/second`` or ``100 kbytes/second``."""
    if isinstance(value, Rate):
        return value
    forms = "packets, such as 5/second, 100/minute, 10/hour, or bytes, such as 100 kbytes/second"
    if type(value) is int:
        raise ValueError(f"{value} needs a unit of time; write {value}/second, /minute or /hour")
    written = text(value, "5/second")
    match = _RATE.fullmatch(written.strip())
    if match is None:
        raise ValueError(f"'{written}' must be a number of {forms} (bytes, kbytes or mbytes)")
    amount = int(match[1])
    if amount == 0:
        raise ValueError(f"'{written}' lets nothing through; use action: drop for that")
    per: Per = match[3]  # type: ignore[assignment]
    if match[2] is None:
        return Rate(amount, "packets", per)
    return Rate(amount * _BYTES[match[2]], "bytes", per)


def burst(value: object, rate: Rate | None) -> int:
    """Read how much may pass at once: packets, or bytes with a unit, as ``rate`` counts; None is the default."""
    if value is None:
        if rate is None or rate.unit == "packets":
            return 5
        return max(1, rate.amount // SECONDS[rate.per])
    match = _BURST.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        if rate is not None and rate.unit == "packets":
            raise ValueError(f"'{value}' is in bytes, but the rate counts packets; write a number alone")
        amount = int(match[1]) * _BYTES[match[2]]
    elif type(value) is int:
        if rate is not None and rate.unit == "bytes":
            raise ValueError(
                f"{value} needs a unit, because the rate counts bytes; write for example {value} kbytes"
            )
        amount = value
    else:
        raise ValueError(
            f"'{value}' must be a number of packets, such as 5, or of bytes, such as 200 kbytes"
            " (bytes, kbytes or mbytes)"
        )
    if not 1 <= amount < 2**32:
        raise ValueError(f"'{value}' must be from 1 to {2**32 - 1} packets or bytes")
    return amount


def beyond_kernel(rate: Rate, burst: int) -> str:
    """Say why the kernel could not count ``rate`` with ``burst``; empty if it can.

    It counts in nanoseconds with 64 bits (``nft_limit_init()``) and refuses what overflows them; a packet that
    costs less than a nanosecond would cost nothing.
    """
    nanoseconds = SECONDS[rate.per] * 10**9
    if rate.unit == "packets":
        cost = nanoseconds // rate.amount
        if cost and cost * burst < 2**64:
            return ""
        if not cost:
            return f"'{rate}' is more than the kernel can count; at most {nanoseconds}/{rate.per}"
        return (
            f"a burst of {burst} at '{rate}' is more than the kernel can count; at most {(2**64 - 1) // cost}"
        )
    most = (2**64 - 1) // nanoseconds
    if rate.amount + burst <= most:
        return ""
    better = "; write it per second" if rate.per != "second" else ""
    return (
        f"'{rate}' with a burst of {burst} bytes is more than the kernel can count: "
        f"both together at most {most} bytes per {rate.per}{better}"
    )

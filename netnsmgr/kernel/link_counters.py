"""What the links of this process's namespace have carried: ``/proc/net/dev`` (proc(5)), one read for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

TABLE = "/proc/self/net/dev"


class Counters(NamedTuple):
    """Since the link was made, as the link itself sees it."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


def link_counters(table: str = TABLE) -> dict[str, Counters]:
    """Return the counters of each link by name; none if the kernel shows none."""
    try:
        lines = Path(table).read_text(encoding="utf-8", errors="replace").splitlines()[2:]
    except OSError:
        return {}
    found = {}
    for line in lines:
        # A name may hold a colon (an old alias); no number does.
        name, _, numbers = line.rpartition(":")
        columns = numbers.split()
        if len(columns) == 16 and all(column.isdigit() for column in columns):
            values = [int(column) for column in columns]
            found[name.strip()] = Counters(*values[:4], *values[8:12])
    return found

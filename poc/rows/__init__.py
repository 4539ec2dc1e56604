"""The rows of the scenario: each a function that gives its checks; its docstring's first line is the row's headline.

A row stands alone: where the configuration is published it takes what it needs itself (leases, requests of its own), and
it may run again in the same scene.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from poc.checks import Check
from poc.rows import (
    addresses,
    device,
    flowlog,
    hairpins,
    metadata,
    neighbours,
    out,
    strangers,
    switch,
    tunnels,
    undisturbed,
)
from poc.scene import Scene

Row = Callable[[Scene], Iterator[Check]]

#: All of the scenario's table.
NUMBERS = tuple(str(number) for number in range(1, 26))
#: In the order in which they run.
ROWS: Mapping[str, Row] = {
    "1": addresses.row1,
    "2": out.row2,
    "3": out.row3,
    "4": flowlog.row4,
    "5": flowlog.row5,
    "6": neighbours.row6,
    "7": hairpins.row7,
    "8": hairpins.row8,
    "9": metadata.row9,
    "10": neighbours.row10,
    "11": out.row11,
    "12": out.row12,
    "13": hairpins.row13,
    "14": tunnels.row14,
    "15": tunnels.row15,
    "16": tunnels.row16,
    "17": tunnels.row17,
    "18": tunnels.row18,
    "19": switch.row19,
    "20": switch.row20,
    "21": switch.row21,
    "22": device.row22,
    "23": hairpins.row23,
    "24": strangers.row24,
    "25": undisturbed.row25,
}

"""Where a daemon lives: its run and state directories."""

from __future__ import annotations

from typing import NamedTuple

import click

RUN_DIR = "/run/netnsmgr"
STATE_DIR = "/var/lib/netnsmgr"
NETNS_DIR = "/run/netns"


class Place(NamedTuple):
    """The two directories by which a daemon and its clients find each other; paths as given."""

    run_dir: str
    state_dir: str


pass_place = click.make_pass_decorator(Place)

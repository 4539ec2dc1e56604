"""The way in for supervisors of edge devices: connect, publish, subscribe, wait until it is true.

``AsyncClient`` is for programs with an asyncio loop, ``Client`` for plain threads; both are described in
``docs/client.md``.  The names below are imported on first use, so that who takes one does not pay for the others; none
of them needs the models of the documents (pydantic), which only the daemon has to know.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netnsmgr.client.aio import AsyncClient
    from netnsmgr.client.documents import Document, Documents, Published, Waiting, read
    from netnsmgr.client.feed import Change
    from netnsmgr.client.history import Revision, RolledBack
    from netnsmgr.client.kinds import CONFIG_TABLES, STATUS_TABLES
    from netnsmgr.client.threads import Client
    from netnsmgr.errors import ConfigError, NetnsmgrError, Problem, Unreachable

RUN_DIR = "/run/netnsmgr"
"""Where the daemon's sockets are unless it is told otherwise."""

_ROOMS = {
    "AsyncClient": "client.aio",
    "Client": "client.threads",
    "Change": "client.feed",
    "Document": "client.documents",
    "Documents": "client.documents",
    "Published": "client.documents",
    "Waiting": "client.documents",
    "read": "client.documents",
    "Revision": "client.history",
    "RolledBack": "client.history",
    "CONFIG_TABLES": "client.kinds",
    "STATUS_TABLES": "client.kinds",
    "ConfigError": "errors",
    "NetnsmgrError": "errors",
    "Problem": "errors",
    "Unreachable": "errors",
}

__all__ = [
    "CONFIG_TABLES",
    "RUN_DIR",
    "STATUS_TABLES",
    "AsyncClient",
    "Change",
    "Client",
    "ConfigError",
    "Document",
    "Documents",
    "NetnsmgrError",
    "Problem",
    "Published",
    "Revision",
    "RolledBack",
    "Unreachable",
    "Waiting",
    "read",
]


def __getattr__(name: str) -> object:
    """Import ``name`` from the room that it lives in."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"netnsmgr.{_ROOMS[name]}"), name)

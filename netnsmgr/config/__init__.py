"""What a user may write: the kinds Device, NetworkInstance and App, read, checked and explained.

``load`` (text to documents with positions) stays free of pydantic, because a command line that only
sends documents to the daemon must not pay for the models.  So the names below are imported on first use.
(The functions ``load``, ``check`` and ``explain`` are found in the modules of those names.)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netnsmgr.config.app import App, AppInterface, mac_of
    from netnsmgr.config.device import Device, Port
    from netnsmgr.config.instance import NetworkInstance
    from netnsmgr.config.load import Loaded, load_text
    from netnsmgr.config.whole import Config, hostnames, parse, parse_document

_ROOMS = {
    "App": "app",
    "AppInterface": "app",
    "mac_of": "app",
    "Device": "device",
    "Port": "device",
    "NetworkInstance": "instance",
    "Loaded": "load",
    "load_text": "load",
    "Config": "whole",
    "hostnames": "whole",
    "parse": "whole",
    "parse_document": "whole",
}

__all__ = [
    "App",
    "AppInterface",
    "Config",
    "Device",
    "Loaded",
    "NetworkInstance",
    "Port",
    "hostnames",
    "load_text",
    "mac_of",
    "parse",
    "parse_document",
]


def __getattr__(name: str) -> object:
    """Import ``name`` from the room that it lives in."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)

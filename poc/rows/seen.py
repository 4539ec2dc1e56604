"""What rows see, in words short enough for a table."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab.host import Host, HttpFailed

#: Of curl's exit codes.
WORDS = {6: "no such name", 7: "refused", 28: "silence"}


def answered(host: Host, url: str, *, interface: str | None = None, timeout: float = 5.0) -> str:
    """The answer to an HTTP request, or "no connection (silence)" and the like."""
    try:
        return host.http(url, interface=interface, timeout=timeout).strip()
    except HttpFailed as failed:
        return f"no connection ({WORDS.get(failed.code, failed)})"


def no_connection(seen: str) -> bool:
    return seen.startswith("no connection")


def starts(start: str) -> Callable[[str], bool]:
    return lambda seen: seen.startswith(start)

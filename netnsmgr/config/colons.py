"""IPv6 addresses that YAML takes for something else, because they begin or end with a colon."""

from __future__ import annotations

import re
from ipaddress import IPv6Network

_BETWEEN = re.compile(r"""[\s,\[\]{}"']""")


def advice(text: str, at: int) -> str:
    """Return what to write, if the word at an index of a text is such an address; otherwise nothing."""
    before = [match.end() for match in _BETWEEN.finditer(text, max(0, at - 50), at)]
    after = _BETWEEN.search(text, at)
    return _quotes(text[before[-1] if before else max(0, at - 50) : after.start() if after else len(text)])


def of_mapping(value: object) -> str:
    """Return what to write, if a mapping came of such an address: its last colon made a key of the rest."""
    if not isinstance(value, dict) or len(value) != 1:
        return ""
    ((key, rest),) = value.items()
    return _quotes(f"{key}:{rest if isinstance(rest, str) and rest.startswith('/') else ''}")


def _quotes(word: str) -> str:
    host = word.partition("/")[0]
    if not (host.startswith("::") or host.endswith("::")):
        return ""
    try:
        IPv6Network(word, strict=False)
    except ValueError:
        return ""
    return f"an IPv6 address that begins or ends with ':' has to be in quotes: \"{word}\""

"""From each form of the stored configuration to the next.  Pure: documents in, documents out.

A form is a promise: whatever a released version has written is read by every later one.  A change of what a
document on disk means gets a new form and a function here; ``tests/unit/pubsub/forms`` holds what each form's
versions really wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
"""A revision as one object: what its head says, ``rows`` and ``trial``."""

FORM = 2
"""The present one."""


def _from_1(old: Document) -> Document:
    """Form 1 was one file, ``rows.json``, replaced at each change; its backup was one change older."""
    return {
        "number": old.get("revision"),
        "complete": old.get("complete"),
        "rows": old.get("rows"),
        "trial": None,
    }


_STEPS: dict[int, Callable[[Document], Document]] = {1: _from_1}


def migrate(document: Document) -> Document:
    """The same revision in the present form; ``form`` says in which it is."""
    while (form := document["form"]) != FORM:
        document = {"form": form + 1, **_STEPS[form](document)}
    return document

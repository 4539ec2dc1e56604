"""A place for a hub, and tests that are coroutines."""

from __future__ import annotations

from tests.unit.pubsub.conftest import pytest_pyfunc_call, site, until

__all__ = ["pytest_pyfunc_call", "site", "until"]

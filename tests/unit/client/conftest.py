"""A hub that says of everything that it is ready, when told to; tests that are coroutines."""

from __future__ import annotations

from tests.unit.pubsub.conftest import pytest_pyfunc_call, site

__all__ = ["pytest_pyfunc_call", "site"]

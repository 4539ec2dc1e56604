"""What only root can find out: names as an instance's DNS server knows them, sets and counters of its kernel tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from netnsmgr.cli.place import NETNS_DIR, Place
from netnsmgr.errors import KernelError

PATIENCE = 15.0
"""Seconds for an answer; a DNS server that keeps silent takes eight."""
NEEDS_ROOT = "that needs root: run it with sudo"


class Inside:
    """A child in the namespace of each instance that is asked about; ``why_not`` says why nothing can be asked, or is empty."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._children: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children.values():
            child.__exit__(kind, error, trace)

    def why_not(self, network: str) -> str:
        """Say why an instance's namespace cannot be asked; empty if it can."""
        if os.geteuid() != 0:
            return NEEDS_ROOT
        mark = os.path.join(self._place.run_dir, "netns", network)
        if not os.path.isfile(mark) or not os.path.exists(os.path.join(NETNS_DIR, network)):
            return f"the namespace of {network} is not there (is the daemon of another machine?)"
        return ""

    def ask(self, network: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the child in an instance's namespace; raises KernelError."""
        if reason := self.why_not(network):
            raise KernelError(reason)
        if network not in self._children:
            from netnsmgr.kernel.inside import Child

            self._children[network] = Child("netnsmgr.services.ask", os.path.join(NETNS_DIR, network))
        answer: dict[str, Any] = self._children[network].hear_after(question, PATIENCE)
        return answer

    def numbers(self, network: str) -> Mapping[str, Any]:
        """Return the numbers that the instance's agent has given out; empty if they cannot be read."""
        import json

        try:
            path = os.path.join(self._place.run_dir, "instances", network, "numbers.json")
            with open(path, encoding="utf-8") as file:
                found: dict[str, Any] = json.load(file)
        except (OSError, ValueError):
            return {}
        return found


def search_list(name: str, domain: str) -> Sequence[str]:
    """Return the names that a resolver asks for one after the other (resolv.conf(5), ndots 1)."""
    if name.endswith("."):
        return [name]
    below = f"{name}.{domain}"
    return [name, below] if "." in name else [below, name]

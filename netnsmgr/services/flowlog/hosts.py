"""Addresses of host rules' domains, kept in their nft sets as long as the answers that named them are valid."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from netnsmgr.core.agreed import FILTER, host_sets
from netnsmgr.services.flowlog.dns import Observation, covering

TABLE = f"inet {FILTER}"
GRACE = 30
"""Seconds beyond an answer's life: an application may use it until then, and its clock is not ours."""
LONGEST = 24 * 3600
"""Seconds that an answer is believed, whatever it says."""
PAST = 24 * 3600
"""Seconds for which a flow that is asked again finds its address in ``past_…``."""
REMEMBERED = 8192
"""Addresses whose end is remembered; 2 MB at most."""
FAMILIES = {"A": 4, "AAAA": 6}


class HostSets:
    """Knows until when each address of each set is valid: a later answer with a shorter life takes nothing away."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()

    def elements(
        self, seen: Observation, hosts: Mapping[str, Mapping[str, Any]], now: float
    ) -> dict[tuple[str, str], int]:
        """Return the timeouts in seconds to set, by set and address; none for addresses that are known statically."""
        wanted: dict[tuple[str, str], int] = {}
        for domain in covering(seen.name, hosts):
            middle, static = hosts[domain]["set"], hosts[domain].get("static", ())
            for answer in seen.answers:
                family = FAMILIES.get(answer.type)
                if family is None or answer.data in static:
                    continue
                now_set, past_set = host_sets(middle, family)
                place = (now_set, answer.data)
                until = max(self._until.pop(place, 0.0), now + min(answer.ttl, LONGEST) + GRACE)
                self._until[place] = until
                if len(self._until) > REMEMBERED:
                    self._until.popitem(last=False)
                wanted[place] = round(until - now)
                wanted[past_set, answer.data] = PAST
        return wanted


def commands(elements: Iterable[tuple[tuple[str, str], int]]) -> str:
    """Return one transaction of nft: what is there is never missing, and what is not there is no error."""
    lines = []
    for (name, address), timeout in elements:
        # The kernel (before 6.12) leaves the timeout of an element alone that is added again.
        lines += [
            f"add element {TABLE} {name} {{ {address} }}",
            f"delete element {TABLE} {name} {{ {address} }}",
            f"add element {TABLE} {name} {{ {address} timeout {timeout}s }}",
        ]
    return "\n".join(lines) + "\n"

"""How soon a changed list counts, from the start of the command to the first packet that it lets pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from json import dumps, loads

from tests.bench.acl import address, app, instance
from tests.bench.figures import Figure, samples
from tests.bench.lists import ALLOWED, GATEWAY, SHAPES, chain, rules
from tests.bench.program import Program
from tests.bench.subject import Netnsmgr, Script, make_apps
from tests.lab import Host, Lab

COUNTS = (1, 100, 5000)
OTHER = ALLOWED + 1
SHAPE = SHAPES[0]

Change = Callable[[int, int], tuple[list[str], str]]
"""The command for a list of so many rules whose last one allows that port, and its input."""


def changes(repeat: int) -> Iterator[Figure]:
    with Lab(ports=("eth0",)) as lab, Lab(ports=("eth0",), addressed=True) as by_hand:
        for each in (lab, by_hand):
            make_apps(each, [1])
        Netnsmgr(lab).apply([instance(1), app(1, 1, rules(SHAPE, 1))], 30.0)
        Script(by_hand).add(1, 1)
        for each in (lab, by_hand):
            address(each, [(1, 1)])
        watched = Watched(lab, lab.device, _apply), Watched(by_hand, by_hand.instance("f1"), _load)
        for count in COUNTS:
            for one in watched:
                one.seen, one.ended = [], []
            for _ in range(repeat):
                for one in watched:  # in turns, so that whatever else the machine does meets both
                    one.change(count)
            yield Figure(
                f"a changed list of {count} counts (floor: nft -f of a chain of as many)",
                "ms",
                samples(watched[0].seen),
                samples(watched[1].seen),
                note=f"apply ended after {samples(watched[0].ended).value:.0f} ms, nft after {samples(watched[1].ended).value:.0f} ms",
                details={"apply_ms": watched[0].ended, "nft_ms": watched[1].ended},
            )


def _apply(count: int, port: int) -> tuple[list[str], str]:
    return ["netnsmgr", "apply", "-f", "-"], dumps(app(1, 1, rules(SHAPE, count, port=port)))


def _load(count: int, port: int) -> tuple[list[str], str]:
    return ["nft", "-f", "-"], chain(SHAPE, count, port=port)


class Watched:
    """A stream of probes each millisecond from an application, and where it arrives if it does."""

    def __init__(self, lab: Lab, host: Host, command: Change) -> None:
        self._lab, self._host, self._command = lab, host, command
        self._sender = Program(Host(lab.holder, "a1.1", "/run/netns/a1.1"), "sender.py")
        self._far = Program(lab.gw, "far.py", str(ALLOWED))
        self._flusher = Program(lab.device, "sender.py")
        self._inside = "/run/netns/" + ("n1" if lab.daemons else "f1")
        self.seen: list[float] = []
        self.ended: list[float] = []

    def change(self, count: int) -> None:
        """From a list that denies the probes to the same with one rule changed, which allows them."""
        self._run(count, OTHER)
        # An established flow goes on by hand, whatever the new chain says.
        self._flusher.ask(f"flush {self._inside}")
        self._sender.tell(f"probe {GATEWAY} {ALLOWED}")
        time.sleep(0.05)
        self._far.ask("watch")
        start = time.monotonic()
        self._run(count, ALLOWED)
        self.ended.append(1000 * (time.monotonic() - start))
        self.seen.append(1000 * (loads(self._far.answer()) - start))
        self._sender.ask("stop")

    def _run(self, count: int, port: int) -> None:
        argv, text = self._command(count, port)
        if argv[0] == "netnsmgr":
            self._lab.netnsmgr(*argv[1:], text=text, check=True)
        else:
            self._host.run(argv, text=text)

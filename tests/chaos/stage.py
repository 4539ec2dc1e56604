"""Five instances that nobody changes, three that come, change and go, and who runs for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import yaml

from tests.scenarios.documents import Document, app, bare, device, instance, port, switch
from tests.scenarios.ipv6 import dual, only6, port6
from tests.scenarios.vpn import gateway, hub, ipsec, wireguard
from tests.scenarios.world import World

PORTS = ("eth0", "eth1", "eth2", "eth3")
STEADY = ("ni1", "ni2", "ni3", "ni4", "ni5")
FORMS = {"x1": 3, "x2": 1, "x3": 2}
"""The instances that change, and how many forms each has."""
EVERYTHING = [{"id": 1, "match": {"ip": "0.0.0.0/0"}}, {"id": 2, "match": {"ip": "::/0"}}]
INTERNET = "203.0.113.20"
BEHIND = "192.168.0.1"
"""What is behind either tunnel."""
HELPER = re.compile(r"/instances/([^/ ]+)/etc/([^/ ]+?)\.\d+\.")
WIREGUARD = re.compile(r"nmw-(.+)\.[^.]+")
LINGERS = "names"
"""A helper whose predecessor goes on for a while beside it."""


Who = tuple[str, str]
"""A role ("supervisor", "agent", "dnsmasq") and the instance whose process it is ("" the device)."""


class Runs(NamedTuple):
    """A process of the device."""

    pid: int
    who: Who


class Stage:
    """``World`` with the five instances in it; ``form`` says what the others are at the moment."""

    def __init__(self) -> None:
        self.w = World(PORTS, ipv6=True, dhcp_ports=("eth3",))
        self.form = dict.fromkeys(FORMS, 0)
        self.helpers: Counter[Who] = Counter()

    def __enter__(self) -> Self:
        self.w.__enter__()
        try:
            self._build()
        except BaseException as error:
            self.w.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.w.__exit__(kind, error, trace)

    def _build(self) -> None:
        w = self.w
        cloud1, public, own = hub(w, "cloud1")
        cloud2 = gateway(w, "cloud2", "s3cret")
        self.clouds = {"cloud1": cloud1, "cloud2": cloud2}
        self._tunnels = [
            wireguard(w, "ni4", "eth1", cloud1, public, own),
            ipsec(w, "ni5", "eth2", cloud2, "s3cret"),
        ]
        for number in range(1, 6):
            w.lab.app(f"app{number}")
        for name in FORMS:
            w.lab.app(f"of{name}")
        w.apply(*self._documents())
        for number in range(1, 6):
            w.lab.apps[f"app{number}"].dhcp("eth0")
        w.lab.apps["app1"].slaac("eth0")
        w.ready(*STEADY)
        for name in ("uplink", *STEADY):
            w.looked(name, 0)
        self.helpers = self.steady_helpers()

    # --- what is configured

    def text(self) -> str:
        """The whole configuration with the others as they shall be."""
        return str(yaml.safe_dump_all(self._documents(), sort_keys=False))

    def _documents(self) -> list[Document]:
        found = [
            device(port6(0), port(1), port(2), bare("eth3")),
            dual("ni1", flowLog=True, dns={"hosts": {"printer": ["10.10.1.9"]}}),
            instance("ni2", "10.10.2", ports=["eth1"]),
            switch("ni3", "eth3"),
            *self._tunnels,
            app("app1", "ni1", acl=[{"id": 3, "match": {"host": "github.com"}}, *EVERYTHING]),
            app("app2", "ni2", acl=EVERYTHING),
            app("app3", "ni3", acl=EVERYTHING[:1]),
            app("app4", "ni4"),
            app("app5", "ni5"),
        ]
        for name, form in self.form.items():
            if form:
                found += [FORM_OF[name](form), app(f"of{name}", name, acl=_rules(name, form))]
        return found

    @property
    def instances(self) -> list[str]:
        """All that shall be there now."""
        return [*STEADY, *(name for name, form in self.form.items() if form)]

    # --- who runs

    def running(self) -> list[Runs]:
        """Every process of netnsmgr in the device but those that end by themselves."""
        found: dict[int, tuple[int, Who]] = {}
        for line in self.w.sh("ps -ww -eo pid=,ppid=,stat=,comm=,args=").splitlines():
            pid, parent, state, comm, args = line.split(maxsplit=4)
            if not state.startswith("Z") and (who := _who(comm, args)) is not None:
                found[int(pid)] = int(parent), who
        # Of a parent and its children (of dnsmasq for TCP, of metadata for who answers) the parent.
        return [Runs(pid, who) for pid, (up, who) in found.items() if up not in found or found[up][1] != who]

    def pids(self, who: Who) -> list[int]:
        return [each.pid for each in self.running() if each.who == who]

    def steady_helpers(self) -> Counter[Who]:
        """The helpers of those that nobody changes."""
        every = Counter(who for _, who in self.running() if who[1] in STEADY and who[0] != "agent")
        return Counter({who: 1 if who[0] == LINGERS else number for who, number in every.items()})

    def targets(self) -> dict[str, list[Who]]:
        """Who can be killed, by what they do: everybody for what nobody changes, and the agents of the others."""
        found: dict[str, list[Who]] = {"agent of what changes": [("agent", name) for name in FORMS]}
        for _, who in self.running():
            if who[1] not in FORMS:
                found.setdefault("uplink" if who == ("agent", "uplink") else who[0], []).append(who)
        return {kind: sorted(whose) for kind, whose in sorted(found.items())}


def _who(comm: str, args: str) -> Who | None:
    if helper := HELPER.search(args):
        where, role = helper[1], helper[2]
        if tunnel := WIREGUARD.fullmatch(role):
            return "wireguard-go", tunnel[1]
        return role.partition("-")[0], where
    if comm.startswith("netnsmgr:"):
        return "agent", comm.partition(":")[2]
    places = {
        "-m netnsmgr daemon": "supervisor",
        "forkserver import main": "fork server",
        "resource_tracker import main": "resource tracker",
    }
    return next(((role, "") for words, role in places.items() if words in args), None)


def _first(form: int) -> Document:
    """With IPv6, and so with radvd; then another subnet, then more to do."""
    prefix = "10.10.21" if form < 2 else "10.10.31"
    return dual("x1", prefix, "fd00:10:21", **({"flowLog": True, "mtu": 1400} if form == 3 else {}))


def _second(form: int) -> Document:
    """IPv6 alone, with tayga and unbound."""
    return only6("x2", "fd00:10:22", nat64={})


def _third(form: int) -> Document:
    """At one port, then at another."""
    return instance("x3", "10.10.2", ports=[f"eth{form}"])


FORM_OF: dict[str, Callable[[int], Document]] = {"x1": _first, "x2": _second, "x3": _third}


def _rules(name: str, form: int) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = [*EVERYTHING]
    if form == 2:
        rules += [
            {"id": 7, "match": {"host": "google.com"}},
            {
                "id": 8,
                "match": {"protocol": "tcp", "lport": 8080 + list(FORMS).index(name)},
                "action": {"portmap": 80},
            },
        ]
    return rules

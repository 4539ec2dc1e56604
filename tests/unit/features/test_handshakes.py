"""How peers of WireGuard are judged, called and looked for elsewhere, look by look."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_network

from netnsmgr.features.vpn.handshakes import PATIENCE, REJECT_AFTER, PeerWatch
from netnsmgr.items.wireguard import Peer, PeerSeen

KEY = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
A, B = "192.0.2.1:51820", "[2001:db8::1]:51820"
EPOCH = 1_800_000_000


@dataclass
class Bench:
    """A peer and two clocks."""

    endpoints: tuple[str, ...] = (A,)
    keepalive: int = 0
    called: bool = True
    watch: PeerWatch = field(default_factory=PeerWatch)
    now: float = 1000.0
    set_ahead: float = 0.0
    handshake: float = 0.0
    tx: int = 0
    at: str = A

    def shakes(self) -> None:
        self.handshake = EPOCH + self.now + self.set_ahead

    def after(self, seconds: float, *, sent: int = 0) -> str:
        self.now += seconds
        self.tx += sent
        want = Peer(KEY, (ip_network("10.0.0.0/8"),), "", self.endpoints, keepalive=self.keepalive)
        seen = PeerSeen(KEY, "", self.at, want.allowed_ips, int(self.handshake), 0, self.tx, self.keepalive)
        wall = EPOCH + self.now + self.set_ahead
        self.watch.look(want, seen, called=self.called, now=self.now, wall=wall)
        if self.watch.place:
            self.at = self.watch.place
        return self.watch.state


def test_connects_and_rests() -> None:
    """Connecting until the first handshake; up while it is good; idle, and not down, when nobody has anything to send."""
    bench = Bench()
    assert bench.after(1) == "connecting"
    assert bench.watch.knock
    assert bench.after(1, sent=148) == "connecting"
    assert not bench.watch.knock
    bench.shakes()
    assert bench.after(1) == "up"
    assert bench.after(REJECT_AFTER - 3, sent=1000) == "up"
    assert bench.after(5, sent=1000) == "idle"  # sent while it was good
    assert bench.after(300) == "idle"
    assert not bench.watch.knock
    bench.shakes()
    assert bench.after(1) == "up"


def test_sends_in_vain() -> None:
    """Who sends and is not answered is down until there is a handshake again, and is called now and then."""
    bench = Bench()
    bench.shakes()
    bench.after(1)
    bench.after(REJECT_AFTER + 1)
    assert bench.after(10, sent=148) == "down"
    assert not bench.watch.knock
    assert bench.after(10) == "down"
    assert bench.watch.knock
    knocks = 0
    for _ in range(60):
        assert bench.after(15) == "down"
        knocks += bench.watch.knock
    assert 3 <= knocks <= 12
    bench.shakes()
    assert bench.after(1) == "up"


def test_keepalive() -> None:
    """With a keepalive a handshake that is too old means that it is down."""
    bench = Bench(keepalive=25)
    bench.shakes()
    assert bench.after(1) == "up"
    assert bench.after(REJECT_AFTER + 1) == "down"


def test_who_calls_us_may_sleep() -> None:
    """A peer without endpoint is never waited for, looked for or called."""
    bench = Bench(endpoints=(), called=False, at="")
    assert bench.after(1) == "idle"
    bench.at = "203.0.113.9:4711"
    bench.shakes()
    assert bench.after(1) == "up"
    for _ in range(50):
        bench.after(20, sent=148)
        assert not bench.watch.knock
        assert not bench.watch.place
    assert bench.watch.state == "idle"


def test_an_unknown_address() -> None:
    """A peer whose name has no address yet is connecting, and not called at nowhere."""
    bench = Bench(endpoints=(), at="")
    assert bench.after(1) == "connecting"
    assert not bench.watch.knock
    bench.endpoints = (A,)
    assert bench.after(1) == "connecting"
    assert bench.watch.place == A
    bench.after(1)
    assert bench.watch.knock


def test_a_clock_that_jumps() -> None:
    """A clock that is set an hour ahead or back makes no handshake older or younger."""
    for jump in (3600, -3600):
        bench = Bench(keepalive=25)
        bench.shakes()
        assert bench.after(1) == "up"
        bench.set_ahead = jump
        assert bench.after(60) == "up"
        assert bench.after(REJECT_AFTER) == "down"
        bench.shakes()
        assert bench.after(1) == "up"


def test_roams() -> None:
    """Where a peer was heard of is fine; when handshakes stop it is looked for where its name says."""
    bench = Bench(keepalive=25)
    bench.shakes()
    bench.after(1)
    bench.at = "203.0.113.9:4711"
    bench.after(30)
    assert bench.at == "203.0.113.9:4711"
    bench.after(REJECT_AFTER - PATIENCE)
    assert bench.after(PATIENCE - 1) == "down"
    bench.after(1)
    assert bench.at == A


def test_a_name_with_two_addresses() -> None:
    """A peer that does not answer is looked for at each of its addresses."""
    bench = Bench(endpoints=(A, B))
    seen = set()
    for _ in range(20):
        bench.after(5)
        seen.add(bench.at)
    assert seen == {A, B}


def test_a_name_that_changes() -> None:
    """With its name's address a peer is looked for there at once, also where it works; it may go back by itself."""
    bench = Bench()
    bench.shakes()
    bench.after(1)
    bench.endpoints = (B,)
    assert bench.after(1) == "up"
    assert bench.watch.place == B
    bench.at = A  # it has sent from there in between
    bench.after(1)
    assert bench.watch.place == B
    bench.at = A
    bench.after(5)
    assert bench.watch.place == ""
    bench.at = A
    bench.after(60)
    assert bench.watch.place == ""
    bench.endpoints = (B, A)
    bench.after(1)
    assert bench.watch.place == ""


def test_a_new_interface() -> None:
    """An interface that was made anew begins anew."""
    bench = Bench()
    bench.shakes()
    assert bench.after(1, sent=5000) == "up"
    bench.handshake = bench.tx = 0
    assert bench.after(1) == "connecting"
    assert bench.watch.knock

"""Access lists on a switch: what is bridged passes as the lists of both ends say, told by nothing but the ends."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from netnsmgr.config.acl import AclRule, Portmap
from netnsmgr.core.agreed import Action
from netnsmgr.features.acl.lists import lists
from netnsmgr.features.acl.verdict import Address, Flow, decide
from netnsmgr.features.names import domains, host_sets
from netnsmgr.features.scope import InstanceScope
from tests.kernel.packets import first_packet
from tests.kernel.stage import sh
from tests.kernel.switchstage import MACS, Switch, app
from tests.kernel.test_switch_guard import dhcp, nd
from tests.lab import isolated
from tests.unit.features.acl.lists import LISTS, NAMES, PORTS, REMOTES, STATIC

APPS = ("a", "b")
ALL_ENDS = [(x, y) for x in (*APPS, "site") for y in (*APPS, "site") if x != y]
PROTOCOLS = (1, 6, 17, 47, 58, 132)
HOSTS = {name: [str(each) for each in found] for name, found in STATIC.items()}
ALL_NAMES = {domain: found | set(STATIC.get(domain, ())) for domain, found in NAMES.items()}
FIXED = frozenset(address for found in STATIC.values() for address in found)
Ends = tuple[str, str]
Lists = dict[str, tuple[AclRule, ...] | None]


def frame(ends: Ends, packet: bytes) -> bytes:
    """A packet on its way; without padding, which a bridge that looks at IP takes away."""
    x, y = (bytes.fromhex(MACS[name].replace(":", "")) for name in ends)
    return y + x + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def forget() -> None:
    """Delete all entries of conntrack: IPCTNL_MSG_CT_DELETE without a tuple."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
        netlink.send(struct.pack("=IHHII4x", 20, 1 << 8 | 2, 1 | 4, 1, 0))
        assert struct.unpack("=i", netlink.recv(1000)[16:20])[0] == 0


def expected(found: Lists, ends: Ends, flow: Flow) -> bool:
    """What the lists themselves say: of the sender for *out*, of the receiver for *in*."""
    both = all(end in APPS for end in ends)
    said = []
    for end, direction, other in (
        (ends[0], "out", flow.responder),
        (ends[1], "in", flow.initiator),
    ):
        if end in APPS:
            eids = FIXED | ({other} if both else set())
            said.append(decide(found[end], direction, flow, ALL_NAMES, eids)[1])  # type: ignore[arg-type]
    return all(action in {Action.ALLOW, Action.LIMIT} for action in said)


@st.composite
def flows(draw: st.DrawFn) -> tuple[Ends, Flow]:
    """A flow between any ends, with any addresses: they tell nothing of who it is."""
    one = draw(st.sampled_from(REMOTES))
    other = draw(st.sampled_from([r for r in REMOTES if r.version == one.version and r != one]))
    protocol = draw(st.sampled_from([p for p in PROTOCOLS if p != (58 if one.version == 4 else 1)]))
    sport, dport = draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS))
    if protocol in {1, 58}:
        sport, dport = 0, draw(st.sampled_from((8, 13) if one.version == 4 else (128,))) << 8
    elif protocol == 47:
        sport = dport = 0
    return draw(st.sampled_from(ALL_ENDS)), Flow(one, other, protocol, sport, dport)


def bridged(rules: Sequence[AclRule]) -> tuple[AclRule, ...]:
    """A list without port maps, which a switch has none of."""
    kept = tuple(rule for rule in rules if not isinstance(rule.action, Portmap))
    return kept or (AclRule.model_validate({"id": 1, "match": {"protocol": "tcp"}}),)


def listed(scope: InstanceScope, found: Lists) -> InstanceScope:
    """The same switch with other lists."""
    interfaces = tuple(
        (each, interface.model_copy(update={"acl": found[each.name]})) for each, interface in scope.interfaces
    )
    made = replace(scope, interfaces=interfaces)
    return replace(made, numbers=scope.numbers.assign(lists(made)))


def same_as_the_lists() -> None:
    asked = st.lists(flows(), min_size=20, max_size=40)

    async def run() -> None:
        async with Switch(app("a", acl=ANY), app("b", acl=ANY), dns={"hosts": HOSTS}) as switch:
            sh("sysctl -qw net.netfilter.nf_conntrack_checksum=0")
            examples: list[tuple[Lists, list[tuple[Ends, Flow]]]] = []

            @given(st.fixed_dictionaries({name: LISTS.map(bridged) for name in APPS}), asked)
            @settings(
                max_examples=60,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def collect(found: Lists, questions: list[tuple[Ends, Flow]]) -> None:
                examples.append((found, questions))

            collect()
            for found, questions in examples:
                await switch.know(listed(switch.scope, found))
                fill(switch)
                for number, (ends, flow) in enumerate(questions, 1):
                    forget()
                    there = switch.hears(ends[0], frame(ends, first_packet(flow, number)))
                    wanted = {ends[1]} if expected(found, ends, flow) else set()
                    assert there & {ends[1]} == wanted, f"{ends} {flow}: {there}, by {found}"

    asyncio.run(run())


def fill(switch: Switch) -> None:
    """Have the addresses of names in their sets, as if the network's DNS had told them."""
    for domain in domains(switch.scope):
        for family in (4, 6):
            name = host_sets(domain, family)[0]
            told = ", ".join(str(each) for each in NAMES[domain] if each.version == family)
            switch.nft._run(f"add element inet netnsmgr_acl {name} {{ {told} }}")


def test_random_lists_say_the_same_to_bridged_packets() -> None:
    """Between two applications and between one and the site, the kernel lets pass what the lists of the ends allow."""
    isolated(same_as_the_lists, timeout=240)()


ANY = [{"id": 1, "match": {"ip": ["0.0.0.0/0", "::/0"]}}]
WEB = [{"id": 1, "match": {"protocol": "tcp", "fport": 80}, "direction": "out"}]
CLIENT, SERVER, OTHER = map(ip_address, ("192.168.3.10", "192.168.3.1", "192.168.3.11"))


def syn(source: Address, sport: int, target: Address, dport: int) -> bytes:
    """The beginning of a connection, with its checksum: nobody is reset without."""
    whole = first_packet(Flow(source, target, 6, sport, dport), 7)
    at = 20 if source.version == 4 else 40
    pseudo = source.packed + target.packed + struct.pack(">II", 6, len(whole) - at)
    words = struct.unpack(f">{(len(pseudo) + len(whole) - at) // 2}H", pseudo + whole[at:])
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return whole[: at + 16] + struct.pack(">H", ~total & 0xFFFF) + whole[at + 18 :]


@isolated
def test_an_answer_comes_back_and_nobody_else_gives_it() -> None:
    """An application that takes another's address is asked itself, whatever the other was allowed."""

    async def run() -> None:
        async with Switch(app("a", acl=WEB), app("b", acl=WEB), app("c")) as switch:
            sh("sysctl -qw net.netfilter.nf_conntrack_checksum=0")
            for name in ("a", "b", "c", "site"):
                switch.send(name, _hello(name))
            ask = ip(CLIENT, 4000, SERVER, 80)
            answer = ip(SERVER, 80, CLIENT, 4000)
            assert switch.hears("site", frame(("site", "a"), answer)) == set(), "an answer to nothing"
            assert switch.hears("a", frame(("a", "site"), ask)) == {"site"}
            assert switch.hears("site", frame(("site", "a"), answer)) == {"a"}
            # c has no list, and may write what it likes; a's list does not know what it began.
            assert switch.hears("b", frame(("b", "a"), answer)) == set(), "b's list lets nobody ask it"
            back = ip(OTHER, 5000, SERVER, 80)
            assert switch.hears("a", frame(("a", "site"), back)) == {"site"}
            answer = ip(SERVER, 80, OTHER, 5000)
            assert switch.hears("site", frame(("site", "b"), answer)) == set(), "b has asked for nothing"

    asyncio.run(run())


def ip(source: Address, sport: int, target: Address, dport: int) -> bytes:
    return first_packet(Flow(source, target, 6, sport, dport), 7)


def _hello(name: str) -> bytes:
    mac = bytes.fromhex(MACS[name].replace(":", ""))
    told = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + bytes(4) + bytes(6) + bytes(4)
    return b"\xff" * 6 + mac + b"\x08\x06" + told


@isolated
def test_dhcp_neighbours_and_believed_servers_need_no_rule() -> None:
    """Nothing else does: no answer that was not asked for, and no other server."""

    async def run() -> None:
        async with Switch(app("a", acl=WEB), app("b"), dns={"servers": ["192.168.3.1"]}) as switch:
            sh("sysctl -qw net.netfilter.nf_conntrack_checksum=0")
            asking = Flow(CLIENT, SERVER, 17, 4000, 53)
            for what, ends, flow, passes in [
                ("DHCP", ("a", "site"), Flow(CLIENT, SERVER, 17, 68, 67), False),
                ("its answer", ("site", "a"), Flow(SERVER, CLIENT, 17, 67, 68), True),
                ("an answer of DNS", ("site", "a"), Flow(SERVER, CLIENT, 17, 53, 4000), False),
                ("a question", ("a", "site"), asking, True),
                ("its answer", ("site", "a"), Flow(SERVER, CLIENT, 17, 53, 4000), True),
                ("another server", ("a", "site"), Flow(CLIENT, OTHER, 17, 4000, 53), False),
                ("a server on the switch", ("a", "b"), Flow(CLIENT, SERVER, 17, 4001, 53), False),
                ("another service", ("a", "site"), Flow(CLIENT, SERVER, 17, 4000, 123), False),
                ("who has no list", ("b", "site"), Flow(OTHER, SERVER, 17, 4000, 123), True),
            ]:
                there = switch.hears(ends[0], frame(ends, first_packet(flow, 7)))
                assert (ends[1] in there) == passes, what
            # The message of a client bears its own MAC address, which the first one did not.
            assert switch.hears("a", dhcp(MACS["a"], MACS["a"])) == {"b", "site"}
            assert switch.hears("a", nd(135, MACS["a"])) == {"b", "site"}
            assert switch.hears("site", nd(134, MACS["site"])) == {"a", "b"}

    asyncio.run(run())


@isolated
def test_what_is_for_all_passes_as_each_receivers_list_says() -> None:
    """A broadcast has one flow, and each receiver its own answer."""

    async def run() -> None:
        mdns = [{"id": 1, "match": {"protocol": "udp", "fport": 5353}}]
        heard = [{"id": 1, "match": {"protocol": "udp", "lport": 5353}, "direction": "in"}]
        async with Switch(app("a", acl=mdns), app("b", acl=heard), app("c", acl=WEB)) as switch:
            sh("sysctl -qw net.netfilter.nf_conntrack_checksum=0")
            packet = first_packet(Flow(CLIENT, ip_address("224.0.0.251"), 17, 5353, 5353), 7)
            for sender, receivers in ("a", {"b", "site"}), ("b", set()), ("site", {"a", "b"}):
                forget()
                whole = b"\x01\0\x5e\0\0\xfb" + frame((sender, "c"), packet)[6:]
                for _ in range(2):
                    assert switch.hears(sender, whole) == receivers, sender

    asyncio.run(run())


@isolated
def test_a_reset_comes_from_whom_was_asked() -> None:
    """`reject` on a bridge: TCP is told by a reset with the addresses of the other side; the rest is dropped."""

    async def run() -> None:
        rules = [{"id": 1, "match": {"ip": ["0.0.0.0/0", "::/0"]}, "action": "reject"}]
        async with Switch(app("a", acl=rules)) as switch:
            # The kernel looks for a way to whom it resets, and then takes the bridge's; the metadata service's link has one.
            sh("ip route replace default dev lo; ip -6 route replace default dev lo")
            for pair in (CLIENT, SERVER), (ip_address("fd00::10"), ip_address("fd00::1")):
                for sender, other in ("a", "site"), ("site", "a"):
                    forget()
                    one, two = pair if sender == "a" else pair[::-1]
                    asked = syn(one, 4000, two, 80)
                    assert switch.hears(sender, frame((sender, other), asked)) == set()
                    switch.send(sender, frame((sender, other), asked))
                    (back,) = switch.heard(sender)
                    at = 14 + (20 if one.version == 4 else 40)
                    assert back[:12] == frame((other, sender), asked)[:12], "not from the other's link"
                    assert two.packed + one.packed in back[14:at]
                    assert back[at : at + 4] == struct.pack(">HH", 80, 4000)
                    assert back[at + 13] & 0x04, "no reset"
            quiet = first_packet(Flow(CLIENT, SERVER, 17, 4000, 80), 7)
            switch.send("a", frame(("a", "site"), quiet))
            assert switch.heard("a") == switch.heard("site") == []

    asyncio.run(run())

"""What it costs a forwarded packet that addresses are learned: ``python -m tests.bench.observe [SECONDS]``, as root in a namespace of its own.

Two equal bridges with an application and a port, made by hand.  Each way to copy ARP, neighbour discovery and DHCP is put on
one of them; 1,000 packets of UDP (46 bytes) at a time are sent from the application to the port and back, on both in turns,
and their senders' processor time (in which everything on the way happens) compared.  Printed are medians of these pairs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from netnsmgr.features.switch import observe
from tests.kernel.observestage import SORTED, coming

MAC, SITE, OWN = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:99"
COUNT, PAIRS = 1000, 20
SENDER = Path(__file__).with_name("sender.py")
PLACE = "/run/netns"
SETUP = f"""
mount -t tmpfs none /run; mkdir -p {PLACE}
sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip link set lo up
ip tuntap add copies mode tap; ip link set copies up
for bridge in bn0 plain; do
  [ $bridge = bn0 ] && x= || x=0
  ip netns add app$x; ip netns add site$x
  ip link add $bridge type bridge mcast_snooping 0; ip link set $bridge address {OWN} up
  ip link add app$x.eth0 type veth peer name eth0 netns app$x address {MAC}
  ip link add eth3$x type veth peer name eth3 netns site$x address {SITE}
  ip link set app$x.eth0 master $bridge up; ip link set eth3$x master $bridge up
  for ns in app$x.eth0.1.2.{SITE} site$x.eth3.2.1.{MAC}; do set -- $(echo $ns | tr . " "); ns=$1; link=$2; own=$3; other=$4; mac=$5
    ip -n $ns address add 10.0.0.$own/24 dev $link; ip -n $ns link set $link up
    ip -n $ns neighbour add 10.0.0.$other lladdr $mac dev $link nud permanent
    ip netns exec $ns nft "add table netdev d; add chain netdev d c {{ type filter hook ingress device $link priority 0; }}; \
      add rule netdev d c meta protocol ip drop"
  done
done
"""
BPF = """
import ctypes, socket, struct, sys, time
code = [{code}]
for link in sys.argv[1:]:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    program = b"".join(struct.pack("HBBI", *each) for each in code)
    held = ctypes.create_string_buffer(program)
    wire.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", len(code), ctypes.addressof(held)))
    wire.setsockopt(263, 23, 1)
    wire.bind((link, 3))
    wire.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex(link), 1, 0, b""))
    globals()[link] = wire
print("listening", flush=True)
time.sleep(1000)
"""
EXPRESSION = (
    "arp or (udp and (port 67 or port 68 or port 546 or port 547)) or "
    "(icmp6 and (ip6[40] == 135 or ip6[40] == 136))"
)


def sh(script: str) -> str:
    done = subprocess.run(["sh", "-ec", script], text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{script}\n{done.stdout}{done.stderr}")
    return done.stdout


def nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def table(family: str, hooks: str) -> Callable[[], Callable[[], object]]:
    """Rules in a table of their own: what is put into the chains that others have is less."""

    def make() -> Callable[[], object]:
        nft(f"table {family} t {{ {observe.body(OWN)}{SORTED}\n{hooks}\n}}")
        return lambda: nft(f"delete table {family} t")

    return make


def listening(*links: str) -> Callable[[], object]:
    lines = sh(f"tcpdump -ddd -y EN10MB '{EXPRESSION}'").splitlines()[1:]
    code = ", ".join(f"({', '.join(line.split())})" for line in lines)
    argv = [sys.executable, "-I", "-S", "-c", BPF.format(code=code), *links]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()

    def end() -> None:
        process.kill()
        process.wait()

    return end


def mirrored() -> Callable[[], object]:
    sh("tc qdisc add dev app.eth0 clsact")
    mirror = "action mirred egress mirror dev copies"
    for hook, port in (("ingress", "dport 67"), ("egress", "dport 68")):
        rules = [
            f"protocol ip u32 match ip protocol 17 0xff match ip {port} 0xffff {mirror}",
            f"protocol ipv6 u32 match ip6 protocol 58 0xff match u8 135 0xfe at 40 {mirror}",
        ]
        if hook == "ingress":
            rules.append(f"protocol arp u32 match u32 0 0 {mirror}")
        for number, rule in enumerate(rules, 1):
            sh(f"tc filter add dev app.eth0 {hook} prio {number} {rule}")
    return lambda: sh("tc qdisc del dev app.eth0 clsact")


def duplicated() -> Callable[[], object]:
    nft("""table netdev t {
        chain coming { type filter hook ingress device app.eth0 priority 0;
            meta protocol arp dup to copies
            udp dport { 67, 547 } dup to copies
            icmpv6 type { 135, 136 } dup to copies
        }
        chain going { type filter hook egress device app.eth0 priority 0;
            udp dport { 68, 546 } dup to copies
        }
    }""")
    return lambda: nft("delete table netdev t")


GUARD = """udp dport >= 1024 accept
    meta l4proto tcp accept
    meta mark set 1"""
"""As in the chains of a switch's guard, which are there anyway; what is copied comes after them."""
GOING = f"""udp dport & 0xfc00 != 0 accept
    udp dport {{ 68, 546 }} jump {observe.ANSWERS}"""


def port(rules: str) -> str:
    return f"chain port {{ type filter hook ingress device eth3 priority 0; {rules}\n }}\n"


def jitted() -> Callable[[], object]:
    lines = sh("tcpdump -ddd -y EN10MB 'udp dst port 68 or udp dst port 546'").replace("\n", ",").strip(",")
    sh("tc qdisc add dev eth3 clsact")
    sh(f"tc filter add dev eth3 ingress bpf bytecode '{lines}' action mirred egress mirror dev copies")
    return lambda: sh("tc qdisc del dev eth3 clsact")


COMING = coming(MAC)


def ingress(rules: str) -> str:
    return f"chain coming {{ type filter hook ingress device app.eth0 priority 0; {rules}\n }}\n"


def egress(rules: str) -> str:
    return f"chain going {{ type filter hook egress device app.eth0 priority 0; {rules}\n }}\n"


WAYS: dict[str, Callable[[], Callable[[], object]]] = {
    "nothing (noise)": lambda: lambda: None,
    "guard's hook where the application's frames come in": table("netdev", ingress(GUARD)),
    "chosen: in that hook, and one at the port": table(
        "netdev", ingress(f"{GUARD}\n{COMING}") + port(f"udp dport & 0xfc00 == 0 jump {observe.ANSWERS}")
    ),
    "nft log: in that hook, and one where they leave": table(
        "netdev", ingress(f"{GUARD}\n{COMING}") + egress(GOING)
    ),
    "nft dup to a tap, both hooks of the interface": duplicated,
    "tc u32, mirred to a tap, both hooks of the interface": mirrored,
    "tc bpf, mirred to a tap, at the port alone": jitted,
    "AF_PACKET with BPF on interface and port": lambda: listening("app.eth0", "eth3"),
    "AF_PACKET with BPF on the bridge, promiscuous": lambda: listening("bn0"),
}


class Sender:
    def __init__(self, place: str, target: str) -> None:
        argv = ["ip", "netns", "exec", place, sys.executable, "-I", "-S", str(SENDER)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._target = target
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def cost(self, count: int = COUNT) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._target} 9000 same {count}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline()) / count


def main() -> None:
    end = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 120)
    only = sys.argv[2:]
    sh(SETUP)
    ends = {"out": ("app", "10.0.0.2"), "in": ("site", "10.0.0.1")}
    senders = {way: (Sender(place, to), Sender(f"{place}0", to)) for way, (place, to) in ends.items()}
    for pair in senders.values():
        for sender in pair:
            sender.cost()
    ways = {name: way for name, way in WAYS.items() if not only or any(word in name for word in only)}
    ratios: dict[tuple[str, str], list[float]] = {(name, way): [] for name in ways for way in senders}
    plain: dict[str, list[float]] = {way: [] for way in senders}
    undisturbed: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    while time.monotonic() < end:
        for name, make in ways.items():
            undo = make()
            for _ in range(PAIRS):
                for way, (sender, beside) in senders.items():
                    before, with_it, after = beside.cost(), sender.cost(), beside.cost()
                    plain[way].append((before + after) / 2)
                    ratios[name, way].append(with_it / plain[way][-1])
                    undisturbed.setdefault((name, way), ([], []))[0].append(with_it)
                    undisturbed[name, way][1].extend((before, after))
            undo()
    print(f"{len(ratios[next(iter(ratios))])} pairs")
    for way, costs in plain.items():
        print(f"plain bridge, {way}: {statistics.median(costs) * 1e9:.0f} ns a packet")
    print("beside it: medians of pairs, out and in; tenths of all (least disturbed by others), out and in")
    for name in ways:
        pairs = [statistics.median(ratios[name, way]) - 1 for way in senders]
        tenths = [_tenth(a) / _tenth(b) - 1 for a, b in (undisturbed[name, way] for way in senders)]
        print(f"{name:52} " + " ".join(f"{each:+7.1%}" for each in (*pairs, *tenths)))


def _tenth(costs: list[float]) -> float:
    return sorted(costs)[len(costs) // 10]


if __name__ == "__main__":
    main()

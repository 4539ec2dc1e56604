"""The measurements, one function for each line of the table or for lines that share their set-up."""

from __future__ import annotations

import json
import mmap
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

from tests.bench.figures import Figure, Samples, samples
from tests.bench.subject import Clients, Netnsmgr, Script, make_apps
from tests.lab import Host, Lab

Subject = Netnsmgr | Script

MEGABYTES_EACH = 20
"""What one instance needs, generously: its agent, its helper and the kernel's share."""


def timed(do: Callable[[], object]) -> float:
    start = time.monotonic()
    do()
    return time.monotonic() - start


def script_lab() -> Lab:
    return Lab(ports=("eth0",), addressed=True)


def daemon_lab() -> Lab:
    return Lab(ports=("eth0",))


def one_more(repeat: int) -> Iterator[Figure]:
    """One instance with two applications, added to a few: the command alone, and until DHCP and DNS answer."""
    with script_lab() as lab:
        floor_command, floor_answer = _one_more(lab, Script(lab), repeat)
    with script_lab() as lab:
        _, packed_answer = _one_more(lab, Script(lab, packed=True), repeat)
    with daemon_lab() as lab:
        command, answer = _one_more(lab, Netnsmgr(lab), repeat)
        start = samples([1000 * timed(partial(lab.netnsmgr, "--version")) for _ in range(repeat)])
    yield Figure("one more instance, until DHCP and DNS answer", "ms", answer, floor_answer, at_most=1.5)
    yield Figure("  of that, the command", "ms", command, floor_command)
    yield Figure("  beside the script written for speed (ip -batch)", "ms", answer, packed_answer)
    yield Figure("  of that, 'netnsmgr --version': the interpreter's start", "ms", start)


def _one_more(lab: Lab, subject: Subject, repeat: int) -> tuple[Samples, Samples]:
    make_apps(lab, range(1, repeat + 3))
    command, answer = [], []
    for n in range(1, repeat + 3):
        with Clients(lab, n) as clients:
            first = timed(partial(subject.add, n, n))
            then = timed(clients.ask)
        if n > 2:  # the first ones warm up caches
            command.append(1000 * first)
            answer.append(1000 * (first + then))
    return samples(command), samples(answer)


def many(small: int, large: int, repeat: int, idle: float) -> Iterator[Figure]:
    """Many in one apply; on the way, what they weigh, what they use at rest, and applying the same again."""
    with script_lab() as lab:
        make_apps(lab, range(1, small + 1))
        script = Script(lab)
        floor = samples([_added(lab, script, small, again=n < repeat - 1) for n in range(repeat)])
    with script_lab() as lab:
        make_apps(lab, range(1, small + 1))
        script = Script(lab, packed=True)
        packed = samples([_added(lab, script, small, again=n < repeat - 1) for n in range(repeat)])
    with daemon_lab() as lab:
        make_apps(lab, range(1, small + 1))
        manager = Netnsmgr(lab)
        first = samples([_added(lab, manager, small, again=n < repeat - 1) for n in range(repeat)])
        yield Figure(f"{small} instances in one apply", "s", first, floor, at_most=1.0)
        yield Figure("  beside the script written for speed (ip -batch)", "s", first, packed)
        yield from _unchanged(manager, small)
        yield from _weight(manager, small)
        yield from _idle(manager, small, idle)
    if large <= small:
        return
    with script_lab() as lab:
        make_apps(lab, range(1, large + 1))
        floor_large = _added(lab, Script(lab), large) / large
    with daemon_lab() as lab:
        make_apps(lab, range(1, large + 1))
        large_each = _added(lab, Netnsmgr(lab), large) / large
    yield Figure(
        f"time per instance at {large}, beside that at {small}",
        "ms",
        samples([1000 * large_each]),
        samples([1000 * s / small for s in first.values]),
        at_most=1.3,
        note=f"the script's own: {1000 * floor_large:.3g} ms at {large}, {1000 * floor.value / small:.3g} at {small}",
        details={"script_ms_large": 1000 * floor_large, "script_ms_small": 1000 * floor.value / small},
    )


def touch_memory(megabytes: int) -> None:
    """Have the machine's memory there before the clock starts, for whoever is measured.

    A virtual machine's host makes a page when it is touched for the first time, and may take it back when the guest
    frees it: some 7 µs a page.  The first 250 instances would pay for a million pages, while 50 find those of the
    repetitions before, which compares not netnsmgr but what the machine did last.
    """
    free = int(re.findall(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)[0])
    with mmap.mmap(-1, min(megabytes << 20, free << 9)) as memory:  # at most half of what is available
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for place in range(0, len(memory), mmap.PAGESIZE):
            memory[place] = 1


def _added(lab: Lab, subject: Subject, count: int, *, again: bool = False) -> float:
    """Seconds to add ``count`` instances; some of them are then asked.  ``again``: they are removed afterwards."""
    touch_memory(MEGABYTES_EACH * count)
    seconds = timed(partial(subject.add, 1, count))
    for n in {1, count // 2, count}:
        with Clients(lab, n) as clients:
            clients.ask()
    if again:
        subject.remove(1, count)
    return seconds


def _unchanged(manager: Netnsmgr, count: int) -> Iterator[Figure]:
    time.sleep(
        3.0
    )  # new links go on telling of themselves while IPv6 looks for duplicates of their addresses
    with Listening(manager.lab.device) as device, Listening(manager.lab.instance("n1")) as instance:
        seconds = manager.apply_again(1, count)
        heard = device.messages() + instance.messages()
    yield Figure(
        f"unchanged file with {count} instances: operations",
        "",
        samples([manager.operations(1, count)]),
        at_most=0,
        note=f"apply took {seconds:.2f} s; ip monitor and nft monitor heard {heard} changes meanwhile",
        details={"seconds": seconds, "kernel_messages": heard},
    )


class Listening:
    """What the kernel tells about changes in one namespace: links, addresses, routes, rules, nftables."""

    def __init__(self, host: Host) -> None:
        commands = (["ip", "monitor", "link", "address", "route", "rule"], ["nft", "monitor"])
        self._monitors = [host.popen(argv) for argv in commands]
        time.sleep(0.3)  # neither says when it has begun

    def __enter__(self) -> Self:
        return self

    def messages(self) -> int:
        time.sleep(0.3)
        for monitor in self._monitors:
            monitor.stop()
        return sum(len(monitor.output.splitlines()) for monitor in self._monitors)

    def __exit__(self, *_: object) -> None:
        for monitor in self._monitors:
            monitor.stop()


def _weight(manager: Netnsmgr, count: int) -> Iterator[Figure]:
    """Memory, each process's share of what it shares counted in (PSS)."""
    pids = manager.processes()
    agents = samples([manager.pss(pid) for pid in pids["agents"]])
    helpers = samples([manager.pss(pid) for pid in pids["dnsmasq"]] or [0.0])
    rest = sum(manager.pss(pid) for pid in pids["supervisor"])
    total = (sum(agents.values) + sum(helpers.values) + rest) / count
    yield Figure(
        f"memory of an agent at {count} instances (PSS)",
        "MiB",
        agents,
        at_most=10,
        note=f"its dnsmasq {helpers.value:.2f} MiB; all processes together {total:.1f} MiB per instance",
        details={"dnsmasq": helpers.record(), "supervisor_total": rest, "total_per_instance": total},
    )


def _idle(manager: Netnsmgr, count: int, seconds: float) -> Iterator[Figure]:
    """Processor time of everything that netnsmgr runs, helpers included, while nothing happens."""
    groups = manager.processes()
    own = groups["agents"] + groups["supervisor"]
    time.sleep(2.0)
    before, helpers = manager.cpu(own), manager.cpu(groups["dnsmasq"])
    start = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - start
    used, helpers = manager.cpu(own) - before, manager.cpu(groups["dnsmasq"]) - helpers
    yield Figure(
        f"idle daemon with {count} instances: of one core",
        "%",
        samples([100 * used / passed]),
        at_most=1,
        note=f"over {passed:.0f} s, {len(own)} processes; their dnsmasq: {100 * helpers / passed:.2g} %",
    )


DOCKER_LIKE = """
ip netns add plain
ip link add docker0 type bridge
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
ip link add plain0 type veth peer name eth0 netns plain
ip link set plain0 master docker0 up
ip -n plain address add 172.17.0.2/16 dev eth0
ip -n plain link set eth0 up
ip -n plain route add default via 172.17.0.1
echo 1 >/proc/sys/net/ipv4/ip_forward
nft 'table ip dockerlike { chain postrouting { type nat hook postrouting priority srcnat;
     ip saddr 172.17.0.0/16 oifname != "docker0" masquerade; }; }'
"""


def throughput(repeat: int, seconds: int) -> Iterator[Figure]:
    """One TCP stream from an application to the gateway: through an instance, and through one bridge with one NAT."""
    with daemon_lab() as lab:
        make_apps(lab, [1])
        Netnsmgr(lab).add(1, 1)
        app = lab.app("a1.1")
        app.dhcp("eth0")
        lab.device.run(["sh", "-ec", DOCKER_LIKE])
        server = lab.gw.popen(["iperf3", "--server", "--forceflush"])
        server.wait_line("Server listening")
        instance, plain = [], []
        for _ in range(repeat):  # in turns, so that whatever else the machine does meets both
            plain.append(_gigabits(Host(lab.holder, "plain", "/run/netns/plain"), seconds))
            instance.append(_gigabits(app, seconds))
        server.stop()
    yield Figure(
        "throughput app to gateway, one TCP stream",
        "Gbit/s",
        samples(instance),
        samples(plain),
        at_least=0.9,
        note="floor: one bridge and one NAT in the device's namespace, as Docker makes it",
    )


def _gigabits(host: Host, seconds: int) -> float:
    argv = ["iperf3", "--client", "192.168.0.1", "--time", str(seconds), "--omit", "1", "--json"]
    said = json.loads(host.run(argv, timeout=seconds + 15.0).stdout)
    return float(said["end"]["sum_received"]["bits_per_second"]) / 1e9

"""What is under way by a port map when the map goes, changes or comes back."""

from __future__ import annotations

import itertools
from contextlib import ExitStack

import pytest

from tests.lab import AppHost
from tests.scenarios.documents import device, instance
from tests.scenarios.portmaps import URL, Talk, app2, leads, led, port_map, serve
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.mark.parametrize("inside", [5000, 5001])
def test_udp_ends_with_its_map_and_nothing_else_does(inside: int) -> None:
    """A sender that never pauses is cut off by the removal of the map, and by senders that leave it out; neither its nor
    the application's packets bring the flow back, but the map does.  Meanwhile other flows of the same application lose
    nothing."""
    with World() as w:
        two = w.lab.app("app2")
        other = port_map()
        w.apply(device(), instance("ni2"), app2(other, port_map(5000, inside, "udp")))
        two.dhcp("eth0")
        led(w)
        servers = [two.serve_http(80), serve(two, inside)]
        talk = Talk(w.lab.gw, "192.168.0.2", 5000)
        assert talk.next() == "heard app2 to 192.168.0.1"
        with Flow(two, seconds=4.0) as flow:
            size, seconds = 400_000, 4
            slow = f"{URL}/slow/{size}/{seconds}"
            argv = ["curl", "-sS", "-m", "30", "-o", "/dev/null", "-w", "%{size_download} bytes", slow]
            download = w.lab.gw.popen(argv)
            w.apply(app2(other))
            assert talk.next() == "silence"
            w.apply(app2(other, port_map(5000, inside, "udp")))
            assert talk.next() == "heard app2 to 192.168.0.1"
            w.apply(app2(other, port_map(5000, inside, "udp", ip="203.0.113.0/24")))
            assert talk.next() == "silence"
            w.apply(app2(other, port_map(5000, inside, "udp", ip="192.168.0.1")))
            assert talk.next() == "heard app2 to 192.168.0.1"
        assert flow.lost == 0
        assert flow.downloaded == "1000000 bytes"
        assert download.wait(20.0) == 0
        assert download.output == f"{size} bytes"
        talk.stop()
        for server in servers:
            server.stop()


ASK_SLOWLY = """
exec 3<>/dev/tcp/192.168.0.2/{port}
printf 'GET / HTTP/1.0\\r\\n' >&3 && echo asking
for n in {{1..90}}; do printf "field-$n: x\\r\\n" >&3 || {{ echo reset; exit; }}; sleep 0.1; done
"""
INSIDE = {8080: 80, 8081: 8081}
"""Ports of the device, and those of the application: another one, and the same."""


def test_connections_end_with_their_maps() -> None:
    """When a map is removed, of a download nothing more arrives, and who sends is told by a reset."""
    with World() as w:
        two = w.lab.app("app2")
        w.apply(device(), instance("ni2"), app2(*itertools.starmap(port_map, INSIDE.items())))
        two.dhcp("eth0")
        led(w)
        servers = [two.serve_http(inside) for inside in INSIDE.values()]
        senders = [w.lab.gw.popen(["bash", "-c", ASK_SLOWLY.format(port=outside)]) for outside in INSIDE]
        for sender in senders:
            sender.wait_line("asking")
        with ExitStack() as stack:
            data = [
                stack.enter_context(w.lab.gw.capture("eth0", f"tcp src port {outside} and greater 200"))
                for outside in INSIDE
            ]
            argv = ["curl", "-sS", "-N", "-Y", "1", "-y", "2", "-o", "/dev/null"]
            downloads = [
                w.lab.gw.popen([*argv, f"http://192.168.0.2:{outside}/slow/3000000/30"]) for outside in INSIDE
            ]
            w.eventually(lambda: all(each.file.stat().st_size > 10_000 for each in data), "data under way")
            w.apply(app2())
            for sender in senders:
                sender.wait_line("reset")
            assert [download.wait(10.0) for download in downloads] == [28, 28]
        for server in servers:
            server.stop()


def test_a_map_follows_the_application_s_lease() -> None:
    """Before the lease the map waits and the interface does not; with another lease, and with a fixed address, the map
    leads there, and with it a sender of UDP that never pauses."""
    with World() as w:
        two = w.lab.app("app2")
        w.apply(device(), instance("ni2"), app2(port_map(), port_map(5000, 5000, "udp")))
        w.attached("ni2", "app2")
        led(w, state="pending")
        assert {lead["reason"] for lead in leads(w)} == {"pending: address of app2"}
        talk = Talk(w.lab.gw, "192.168.0.2", 5000)
        assert talk.next() == "silence"
        lease = two.dhcp("eth0")
        servers = [two.serve_http(80), serve(two, 5000)]
        led(w)
        assert talk.next() == "heard app2 to 192.168.0.1"
        # The application comes back with another address.
        _forget(w, two, str(lease.address.ip))
        led(w, state="pending")
        assert talk.next() == "silence"
        assert str(two.dhcp("eth0", request="10.10.1.77").address) == "10.10.1.77/24"
        led(w)
        assert w.lab.gw.http(URL) == "I am app2, you are 192.168.0.1\n"
        assert talk.next() == "heard app2 to 192.168.0.1"
        # Fixed by its author: at once, whether or not the application has taken it already.
        two.run(["ip", "address", "flush", "dev", "eth0"])
        w.apply(app2(port_map(), port_map(5000, 5000, "udp"), address="10.10.1.20"))
        assert talk.next() == "silence"
        assert str(two.dhcp("eth0").address) == "10.10.1.20/24"
        assert talk.next() == "heard app2 to 192.168.0.1"
        talk.stop()
        for server in servers:
            server.stop()


def _forget(w: World, one: AppHost, address: str) -> None:
    """The application gives its lease back and is gone."""
    mac = w.interface("ni2", one.name)["mac"]
    w.sh(f"dhcp_release bn0 {address} {mac}", "ni2")
    one.run(["ip", "address", "flush", "dev", "eth0"])


def test_a_restarted_agent_and_daemon_have_nothing_to_do() -> None:
    """Port maps are recognised as what they are: after a restart no operation is made, and a talk goes on."""
    with World() as w:
        two = w.lab.app("app2")
        w.apply(
            device(),
            instance("ni2"),
            app2(port_map(5000, 5000, "udp", ip=["192.168.0.0/24", "203.0.113.10"])),
        )
        two.dhcp("eth0")
        led(w)
        server = serve(two, 5000)
        talk = Talk(w.lab.gw, "192.168.0.2", 5000)
        assert talk.next() == "heard app2 to 192.168.0.1"
        mark = w.mark()
        for agent in ("uplink", "ni2"):
            w.kill_agent(agent)
            w.looked(agent, mark)
        w.crash()
        w.restart()
        w.ready("ni2")
        assert w.operations(mark) == []
        w.apply(app2())
        assert talk.next() == "silence"
        talk.stop()
        server.stop()

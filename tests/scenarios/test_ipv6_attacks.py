"""An application that pretends to be a router or a DHCP server: real servers in it, whom nobody hears."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest

from tests.lab import AppHost, Process
from tests.scenarios.documents import app, device
from tests.scenarios.ipv6 import NET6, dual, fetched, port6, settled
from tests.scenarios.world import World

pytestmark = pytest.mark.root
EVIL = "fd66:6::"


@pytest.fixture(scope="module", params=[True, False], ids=["listed", "unlisted"])
def w(request: pytest.FixtureRequest) -> Iterator[World]:
    """The same promises with access lists (which allow everything), and where no application has one."""
    lists: dict[str, Any] = {"acl": [{"id": 1}]} if request.param else {}
    with World(ipv6=True) as made:
        for name in ("app1", "app2", "evil"):
            made.lab.app(name)
        made.apply(device(port6()), dual(ipv6={"addressing": "stateless"}),
                   *(app(name, "ni1", **lists) for name in ("app1", "app2", "evil")))  # fmt: skip
        for name in ("app1", "evil"):
            settled(made, "ni1", name)
        yield made


def forge(w: World, host: AppHost) -> list[Process]:
    """radvd and dnsmasq in an application, as good as they can be: high preference, another prefix, name server and router."""
    w.lab.path("/run/lab/evil.conf").write_text(f"""
        interface eth0 {{ AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultPreference high;
            AdvManagedFlag on; prefix {EVIL}/64 {{ }}; prefix {NET6}::/64 {{ AdvPreferredLifetime 0; AdvValidLifetime 0; }};
            RDNSS {EVIL}1 {{ }}; route ::/0 {{ AdvRoutePreference high; }}; }};""")
    host.run(
        ["sh", "-ec", f"""
        echo 1 >/proc/sys/net/ipv6/conf/eth0/forwarding
        ip -6 address replace {EVIL}1/64 dev eth0 nodad
        ip address replace 10.66.6.1/24 dev eth0; ip address replace 10.10.1.66/24 dev eth0"""]
    )  # fmt: skip
    dnsmasq = "dnsmasq -C /dev/null -d -i eth0 -z --user=root --pid-file= -l /run/lab/evil.leases -R --no-hosts --no-ping"
    ranges = f"-F 10.66.6.50,10.66.6.99 -F 10.10.1.60,10.10.1.65 -F {EVIL}1000,{EVIL}1fff,64 --dhcp-authoritative --enable-ra"
    servers = [
        host.popen([*dnsmasq.split(), *ranges.split(), f"--dhcp-option=option6:dns-server,[{EVIL}1]"], log="evil-dnsmasq"),
        host.popen(["radvd", "-n", "-C", "/run/lab/evil.conf", "-p", "/run/lab/evil.pid", "-m", "stderr"]),
    ]  # fmt: skip
    servers[1].wait_line("started")
    w.eventually(lambda: "DHCP" in w.lab.path("/run/lab/log/evil-dnsmasq").read_text(), "evil's dnsmasq")
    return servers


def test_nobody_hears_a_forged_router_or_server(w: World) -> None:
    """Applications that come while another one plays router and DHCP server are told by the instance alone."""
    app1, app2, evil = (w.lab.apps[name] for name in ("app1", "app2", "evil"))
    before = app1.addresses6("eth0")
    told = "icmp6 and ip6[40] = 134 or udp port 67 or udp port 547"
    app2.wait_link("eth0")
    app2.run(
        ["sh", "-ec", "echo 0 >/proc/sys/net/ipv6/conf/eth0/autoconf; ip link set eth0 up"]
    )  # for tcpdump
    with (
        app1.capture("eth0", told) as at1,
        app2.capture("eth0", told) as at2,
        evil.capture("eth0", f"ether src {evil.link('eth0')['address']}") as said,  # type: ignore[index]
    ):
        servers = forge(w, evil)
        app2.run(["sh", "-ec", "ip link set eth0 down; echo 1 >/proc/sys/net/ipv6/conf/eth0/autoconf"])
        settled(w, "ni1", "app2")
        lease = app2.dhcp()
        six = app2.dhcp6(information=True)
        seen = app2.advertised()
        # It has had its turn: unasked, and asked by app2.
        w.eventually(lambda: any("router advertisement" in line for line in said.so_far()), "a forgery")
    assert any("router advertisement" in line for line in said.stop())
    mine = str(evil.link("eth0")["address"])  # type: ignore[index]
    assert [line for line in [*at1.stop(), *at2.stop()] if mine in line.partition(">")[0]] == []
    assert (lease.server, six.dns) == ("10.10.1.1", (IPv6Address(f"{NET6}::1"),))
    assert seen.prefixes == {IPv6Network(f"{NET6}::/64"): True}
    for host in (app1, app2):
        assert EVIL.rstrip(":") not in "".join(host.addresses6("eth0", tentative=True))
        assert "default via" in host.run(["ip", "-6", "route"]).stdout
        assert (
            str(evil.addresses6("eth0", scope="link")[0].partition("/")[0])
            not in host.run(["ip", "-6", "route"]).stdout
        )
        assert fetched(host, "github.com", 6) == "you are 2001:db8::2"
    assert app1.addresses6("eth0") == before, "what was there was deprecated by a forged advertisement"
    for server in servers:
        server.stop()


def test_the_instance_itself_is_not_led_astray(w: World) -> None:
    """The instance's namespace takes no advertisement from its bridge: addresses and routes are those of the file."""
    ni1 = w.lab.instance("ni1")
    before = ni1.run(["ip", "-6", "route"]).stdout, ni1.addresses6("bn0")
    servers = forge(w, w.lab.apps["evil"])
    servers[1].stop()  # the good-bye is an advertisement, too
    servers[0].stop()
    assert (ni1.run(["ip", "-6", "route"]).stdout, ni1.addresses6("bn0")) == before

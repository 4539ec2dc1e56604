"""The lab's IPv6: that site, internet and applications are what the other tests take them for."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network

import pytest

from tests.lab import Advertised, AppHost, Lab, Served

NET = "fd00:9::"


@pytest.fixture(scope="module")
def site() -> Iterator[Lab]:
    with Lab(addressed=True, ipv6=True) as lab:
        yield lab


def bridge_with_radvd(lab: Lab, name: str, *, managed: bool = False) -> AppHost:
    """In the device: a bridge with a throwaway radvd and dnsmasq, and a veth from it to the application."""
    app = lab.app(name)
    flags = "AdvManagedFlag on; AdvOtherConfigFlag on;" if managed else ""
    autonomous = "off" if managed else "on"
    lab.path("/run/lab/app-radvd.conf").write_text(f"""
        interface br0 {{ AdvSendAdvert on; {flags} AdvLinkMTU 1400; prefix {NET}/64 {{ AdvAutonomous {autonomous}; }};
            route fd00:77::/48 {{ }}; RDNSS {NET}1 {{ }}; DNSSL lab.example {{ }}; }};""")
    lab.device.run(
        ["sh", "-ec", f"""
        ip link add br0 type bridge
        ip address add {NET}1/64 dev br0 nodad
        ip link set br0 up
        ip link add {name}0 type veth peer name eth0 netns {name}
        ip link set {name}0 master br0 up
        echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        dnsmasq -C /dev/null -i br0 -z --user=root --pid-file= -l /run/lab/try.leases -R --no-hosts --no-ping \
            -F {NET}1000,{NET}1fff,64,2h --address=/printer/{NET}9 --dhcp-host=id:00:03:00:01:02:00:00:00:00:07,[{NET}1777] \
            --dhcp-option=option6:domain-search,lab.example --log-facility=/run/lab/log/try
        radvd -C /run/lab/app-radvd.conf -p /run/lab/app-radvd.pid -m logfile -l /run/lab/log/app-radvd
        """]
    )  # fmt: skip
    return app


class TestSite:
    def test_ports_reach_their_routers_and_the_internet_by_both_families(self, site: Lab) -> None:
        for number in range(2):
            assert site.device.addresses6(f"eth{number}") == [
                f"2001:db8:{number:x}::2/64".replace(":0::", "::")
            ]
            assert site.device.ping(str(IPv6Network(f"2001:db8:{number}::/64")[1]))
            assert site.device.ping(f"fe80::1%eth{number}")
        assert site.device.http("http://[2001:db8:ffff::80]/") == "I am github.com, you are 2001:db8::2\n"
        assert site.device.http("http://github.com/", family=6) == "I am github.com, you are 2001:db8::2\n"
        assert site.device.http("http://github.com/", family=4) == "I am github.com, you are 192.168.0.2\n"

    def test_names_have_the_addresses_that_they_should_have(self, site: Lab) -> None:
        for server in ("192.168.0.1", "2001:db8:1::1"):
            both = {
                name: [site.device.resolve(name, server, kind=kind) for kind in ("A", "AAAA")]
                for name in ("github.com", "v4only.example", "v6only.example")
            }
            assert both == {
                "github.com": [["203.0.113.10"], ["2001:db8:ffff::80"]],
                "v4only.example": [["203.0.113.30"], []],
                "v6only.example": [[], ["2001:db8:ffff::86"]],
            }

    def test_a_server_answers_by_both_families(self, site: Lab) -> None:
        server = site.device.serve_http(81, name="me")
        assert site.gw.http("http://192.168.0.2:81") == "I am me, you are 192.168.0.1\n"
        assert site.gw.http("http://[2001:db8::2]:81") == "I am me, you are 2001:db8::1\n"
        server.stop()

    def test_a_lab_without_ipv6_has_none(self, lab: Lab) -> None:
        assert lab.internet.run(["ip", "-6", "route", "show", "default"]).stdout == ""
        assert lab.gw.addresses6("eth0") == []

    def test_a_narrow_link_is_learnt_by_packet_too_big(self) -> None:
        with Lab(addressed=True, ipv6=True) as lab:
            lab.narrow(1300)
            assert lab.device.path_mtu("2001:db8:ffff::80") is None
            assert len(lab.device.http("http://[2001:db8:ffff::80]/bytes/100000")) == 100_000
            lab.device.run(["ping", "-6", "-c", "1", "-s", "1400", "2001:db8:ffff::80"], check=False)
            lab.device.run(["ping", "-4", "-c", "1", "-s", "1400", "-M", "do", "203.0.113.10"], check=False)
            assert lab.device.path_mtu("2001:db8:ffff::80") == 1300
            assert lab.device.path_mtu("203.0.113.10") == 1300


class TestRouter:
    def test_a_port_makes_itself_an_address_from_advertisements(self) -> None:
        with Lab(ipv6=True) as lab:
            lab.router6.advertise("eth0", Advertised("eth1", mtu=1400, managed=True))
            port = lab.app("port")
            for name in ("eth0", "eth1"):
                lab.device.run(["ip", "link", "set", name, "netns", "port"])
            assert port.slaac("eth0") in IPv6Network("2001:db8::/64")
            assert port.slaac("eth1") in IPv6Network("2001:db8:1::/64")
            told = port.advertised("eth1")
            assert (told.managed, told.other, told.mtu, told.lifetime) == (True, False, 1400, 1800)
            assert told.router == IPv6Address("fe80::1")
            assert port.http("http://v6only.example").startswith("I am v6only.example, you are 2001:db8:")

    @pytest.mark.root  # dhcpd, which gives its leases to a user
    def test_dhcp6_gives_an_address_and_delegates_a_prefix(self) -> None:
        with Lab(("eth0",), ipv6=True) as lab:
            lab.router6.advertise(Advertised("eth0", autonomous=False, managed=True))
            lab.router6.serve_dhcp6(Served("eth0", delegate="2001:db8:d000::/48"))
            port = lab.app("port")
            lab.device.run(["ip", "link", "set", "eth0", "netns", "port"])
            lease = port.dhcp6()
            assert lease.address in IPv6Network("2001:db8::1000/116")
            assert (lease.valid, lease.dns, lease.search) == (
                3600,
                (IPv6Address("2001:db8::1"),),
                ("site.example",),
            )
            assert port.http("http://[2001:db8:ffff::80]") == f"I am github.com, you are {lease.address}\n"
            argv = "dhclient -6 -d -v -1 -P -cf /dev/null -lf /run/pd.db -pf /run/pd.pid -sf /bin/true eth0"
            client = port.popen(argv.split())
            leased = lab.path("/run/pd.db")  # written some time after it says "Bound"
            assert port.eventually(
                lambda: leased.exists() and "iaprefix 2001:db8:d000:" in leased.read_text()
            )
            client.stop(signal.SIGKILL)


@pytest.mark.root  # dnsmasq, which drops its groups
class TestApp:
    def test_slaac_takes_address_route_and_name_servers(self) -> None:
        with Lab(ipv6=True) as lab:
            app = bridge_with_radvd(lab, "app1")
            assert app.slaac() in IPv6Network(f"{NET}/64")
            told = app.advertised()
            assert (told.managed, told.other, told.mtu) == (False, False, 1400)
            assert told.prefixes == {IPv6Network(f"{NET}/64"): True}
            assert told.routes == (IPv6Network("fd00:77::/48"),)
            assert told.search == ("lab.example",)
            assert app.run(["cat", "/etc/resolv.conf"]).stdout == f"nameserver {NET}1\nsearch lab.example\n"
            assert app.resolve("printer", f"{NET}1", kind="AAAA") == [f"{NET}9"]

    def test_dhcp6_takes_an_address_by_mac_or_duid(self) -> None:
        with Lab(ipv6=True) as lab:
            app = bridge_with_radvd(lab, "app1", managed=True)
            lease = app.dhcp6()
            assert lease.address in IPv6Network(f"{NET}1000/116")
            assert lease.dns == (IPv6Address(f"{NET}1"),)
            assert app.addresses6("eth0") == [f"{lease.address}/128"]
            # The way comes with an advertisement, whose first question may have been too early.
            assert app.eventually(lambda: app.ping(f"{NET}1"), timeout=10.0)
            other = app.dhcp6(duid="00:03:00:01:02:00:00:00:00:07")
            assert other.address == IPv6Address(f"{NET}1777")

    def test_information_has_no_address(self) -> None:
        with Lab(ipv6=True) as lab:
            app = bridge_with_radvd(lab, "app1")
            lease = app.dhcp6(information=True)
            assert (lease.address, lease.search) == (None, ("lab.example",))

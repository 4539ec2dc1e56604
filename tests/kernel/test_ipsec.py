"""An instance's charon, its link, and connections, with real packets to a strongSwan that knows nothing of netnsmgr."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from netnsmgr.features.vpn import ipsec
from netnsmgr.features.vpn.connections import on_traffic
from netnsmgr.items.address import Address
from tests.kernel.ipsecstage import (
    BEHIND,
    BEHIND_OTHER,
    FAR,
    GATEWAY,
    NEAR,
    OTHER,
    PSK,
    Door,
    accepts,
    backend,
    bring,
    child,
    far_child,
    items,
    scope,
    surroundings,
    tunnel,
    until,
)
from tests.kernel.stage import DIRECTORY, sh, stage
from tests.lab import isolated
from tests.lab.patience import patient

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("charon-systemd") is None, reason="charon-systemd is not installed"),
]


def ways(*networks: str) -> None:
    """Lead networks into the tunnel, as the instance's routes do."""
    for network in networks:
        sh(f"ip route replace {network} dev ipsec0 src {GATEWAY}")


def reached(address: str = BEHIND) -> bool:
    return pinged(address, patient(5.0))


def lost(address: str = BEHIND) -> bool:
    return not pinged(address, 2.0)


def pinged(address: str, seconds: float) -> bool:
    return "1 received" in sh(f"ping -c 1 -W {seconds:.0f} -I {GATEWAY} {address} || true")


@pytest.mark.bothkernels
@isolated
async def test_carries_packets() -> None:
    """Two children of one connection carry packets; the second plan is empty, and nothing of it goes in clear."""
    wanted = scope(tunnel(child(), child("other", [OTHER])))
    with surroundings(accepts(far_child(), far_child("other", OTHER))):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            door.initiate("net")
            door.initiate("other")
            ways(FAR, OTHER)
            assert reached()
            assert reached(BEHIND_OTHER)
            (sa,) = door.sas().values()
            assert sorted(each["name"] for each in sa["child-sas"].values()) == [b"net", b"other"]
            assert int(json.loads(sh("ip -j link show dev ipsec0"))[0]["mtu"]) == ipsec.link_mtu(wanted)
            assert PSK not in Path(ipsec.log_file(wanted)).read_text()


@isolated
async def test_several_connections() -> None:
    """One charon has connections to two others, each with its own secret's identity; one that ends leaves the other alone."""
    wanted = scope(tunnel(), tunnel(child("other", [OTHER]), name="cloud2"))
    both = accepts(far_child()) + accepts(far_child("other", OTHER), name="cloud2")
    with surroundings(both):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            door.initiate("net", "cloud1")
            door.initiate("other", "cloud2")
            ways(FAR, OTHER)
            assert reached()
            assert reached(BEHIND_OTHER)
            list(door.session.terminate({"ike": "cloud2"}))
            assert reached()
            assert lost(BEHIND_OTHER)


@isolated
async def test_carries_ipv6() -> None:
    """A child of IPv6 beside one of IPv4, both in packets of IPv4."""
    wanted = scope(tunnel(child(), child("six", ["fd00:20::/64"])), subnets=[NEAR, "fd00:10:11::/64"])
    with surroundings(accepts(far_child(), far_child("six", "fd00:20::/64", "fd00:10:11::/64"))):
        sh(
            "ip -n cloud -6 address add fd00:20::1/64 dev lo; ip -6 address add fd00:10:11::1/64 dev bn0 nodad"
        )
        async with stage() as agent:
            await bring(agent, wanted, Address("bn0", ip_interface("fd00:10:11::1/64")))
            door = Door(wanted)
            door.load()
            door.initiate("net")
            door.initiate("six")
            ways(FAR)
            sh("ip -6 route replace fd00:20::/64 dev ipsec0 src fd00:10:11::1")
            assert reached()
            assert "1 received" in sh("ping -c 1 -W 5 -I fd00:10:11::1 fd00:20::1")


@isolated
async def test_reads_nothing_of_the_machine() -> None:
    """Whatever the machine's own strongSwan is told, ours reads its own file alone; it leaves no process id anywhere."""
    wanted = scope()
    for place in ("/etc/strongswan.d", "/etc/swanctl", "/etc/ipsec.d"):
        if os.path.isdir(place):
            sh(f"mount -t tmpfs none {place}")
            Path(f"{place}/x.conf").write_text("charon-systemd {\n  load = nonsense\n}\n")
    if os.path.exists("/etc/strongswan.conf"):
        Path("/run/other.conf").write_text("charon-systemd {\n  load = nonsense\n}\n")
        sh("mount --bind /run/other.conf /etc/strongswan.conf")
    with surroundings(accepts(far_child())):
        before = set(os.listdir("/run"))
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            door.initiate()
            ways(FAR)
            assert reached()
        assert set(os.listdir("/run")) - before <= {"state"}  # where secrets are taken from
        assert sorted(os.listdir(f"{DIRECTORY}/charon")) == ["charon.log", "charon.vici"]
        assert Path(DIRECTORY, "charon", "charon.vici").stat().st_mode & 0o007 == 0


@isolated
async def test_routes_are_ours_alone() -> None:
    """charon leads nothing by itself, also with 0.0.0.0/0: the bridge's subnet stays the bridge's, the rest without a way."""
    wanted = scope(tunnel(child(remote=["0.0.0.0/0"], routes=[FAR])))
    with surroundings(accepts(far_child(local="0.0.0.0/0"))):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            before = sh("ip route; ip -6 route")
            door.initiate()
            assert sh("ip route; ip -6 route") == before
            assert "bn0" in sh("ip route get 10.11.12.77")
            assert "unreachable" in sh("ip route get 10.30.0.1 2>&1 || true")
            ways(FAR)
            assert reached()
            ways("0.0.0.0/0")
            assert reached()
            assert reached(BEHIND_OTHER)
            assert "bn0" in sh("ip route get 10.11.12.77")


@isolated
async def test_killed() -> None:
    """Killed, charon is started anew at the next pass with its link and the same file, and connects again."""
    wanted = scope()
    with surroundings(accepts(far_child())):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            door.initiate()
            ways(FAR)
            assert reached()
            (old,) = agent.system.processes.running()
            os.kill(old.pid, signal.SIGKILL)
            await asyncio.to_thread(until, lambda: not agent.system.processes.running())
            assert lost()
            await bring(agent, wanted)
            (new,) = agent.system.processes.running()
            assert new.argv == old.argv
            assert new.pid != old.pid
            again = Door(wanted)
            again.load()
            again.initiate()
            ways(FAR)
            assert reached()
        async with stage(fresh=False) as restarted:
            (found,) = restarted.system.processes.running()
            assert found.pid == new.pid
            assert await restarted.once(*items(wanted)) == []
            await restarted.bring()
            assert not os.path.exists("/sys/class/net/ipsec0")


@isolated
async def test_rekeyed_by_either_end() -> None:
    """New keys of child and IKE, begun here and by the other end, lose no packet that anybody sees."""
    wanted = scope()
    with surroundings(accepts(far_child())):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            door.initiate()
            ways(FAR)
            for what in ("--child net", "--ike cloud1"):
                (sa,) = door.sas().values()
                old = sa["uniqueid"], {each["spi-in"] for each in sa["child-sas"].values()}
                sh(f"swanctl --rekey {what} --uri unix:///run/cloud/charon.vici")

                def renewed(old: tuple[bytes, set[bytes]] = old) -> bool:
                    return any(
                        (sa["uniqueid"], {each["spi-in"] for each in sa["child-sas"].values()}) != old
                        for sa in door.sas().values()
                    )

                await asyncio.to_thread(until, renewed)
                assert reached()
            door.session.rekey({"child": "net"})
            assert reached()


@isolated
async def test_given_an_address_and_servers() -> None:
    """With `virtualIp` the cloud gives an address, by which alone it knows us, and DNS servers, written where only we look."""
    wanted = scope(tunnel(virtualIp=True))
    pool = "pools {\n  p {\n    addrs = 10.99.0.7\n    dns = 10.20.0.53, 10.20.0.54\n  }\n}\n"
    with surroundings(accepts(far_child(remote="dynamic"), more="pools = p") + pool):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            door.initiate()
            (sa,) = door.sas().values()
            assert sa["local-vips"] == [b"10.99.0.7"]
            (net,) = sa["child-sas"].values()
            assert net["local-ts"] == [b"10.99.0.7/32"]
            assert Path(ipsec.dns_file(wanted, "cloud1")).read_text().split() == ["10.20.0.53", "10.20.0.54"]
            assert await agent.once(*items(wanted)) == []  # before anybody has told of it
            given = replace(wanted, vpn=replace(wanted.vpn, virtual=(ip_address("10.99.0.7"),)))
            await agent.once(*items(given))
            assert await agent.once(*items(given)) == []
            assert "10.99.0.7/32" in sh("ip address show dev ipsec0")
            sh(f"ip route replace {FAR} dev ipsec0 src 10.99.0.7")
            assert "1 received" in sh(f"ping -c 1 -W 5 -I 10.99.0.7 {BEHIND}")


@pytest.mark.bothkernels
@isolated
async def test_begins_with_traffic() -> None:
    """With the kernel's ESP a child with `start: traffic` begins with the first packet; libipsec says that it cannot."""
    wanted = scope(tunnel(child(start="traffic")))
    with surroundings(accepts(far_child())):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            spec = wanted.instance.spec.vpn
            assert spec is not None
            assert on_traffic(wanted, spec.connections[0].children[0]) == (backend() == "kernel")
            if backend() == "kernel":
                ways(FAR)
                await asyncio.to_thread(until, reached)


@isolated
async def test_default_proposals_are_supported() -> None:
    """What is offered where nobody writes otherwise is all known to charon with the plugins that it loads."""
    wanted = scope()
    with surroundings(accepts(far_child())):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            offered = door.session.get_algorithms()
            have = {name for kind in offered.values() for name in kind}
            assert have >= {
                "AES_CBC", "AES_GCM_16", "HMAC_SHA2_256_128", "PRF_HMAC_SHA2_256", "PRF_HMAC_SHA2_384",
                "CURVE_25519", "ECP_256", "ECP_384", "MODP_2048",
            }  # fmt: skip
            (listed,) = door.session.list_conns()
            assert set(listed["cloud1"]["children"]["net"]["local-ts"]) == {NEAR.encode()}


@isolated
async def test_answers_nobody_who_begins() -> None:
    """charon's ports are open to applications, but only who was asked is answered: no new connection is begun from there."""
    wanted = scope()
    with surroundings(accepts(far_child(), more="remote_addrs = 169.254.100.1")):
        async with stage() as agent:
            await bring(agent, wanted)
            door = Door(wanted)
            door.load()
            before = Path(ipsec.log_file(wanted)).read_text()
            sh("ip -n cloud route add 169.254.100.0/31 via 198.51.100.254")
            sh(
                "timeout 20 swanctl --initiate --child net --timeout 2 --uri unix:///run/cloud/charon.vici || true"
            )
            assert not door.sas()
            assert "IKE_SA" not in Path(ipsec.log_file(wanted)).read_text().removeprefix(before)

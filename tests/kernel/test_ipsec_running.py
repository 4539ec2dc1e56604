"""IPsec connections against a plain strongSwan: begun, kept, begun again, and told in words."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.config.ipsec import Ipsec
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.kernel.xfrm_states import states
from tests.kernel.ipsecpeer import (
    NET,
    PEER,
    PSK,
    child,
    connection,
    ipsec_stage,
    ping,
    scope,
    secret,
    spis,
    swanctl,
    until,
)
from tests.kernel.stage import sh
from tests.lab import isolated

pytestmark = [pytest.mark.root]
in_time = partial(isolated, timeout=60.0)


@pytest.mark.bothkernels
@in_time
async def test_established() -> None:
    """By PSK: the row tells what was agreed, and packets pass."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        await instance.follow(scope(connection()))
        row = await instance.up()
        assert " 0% packet loss" in ping(5)
        assert instance.watch.reasons() == []
        assert (row["localId"], row["remoteId"], row["remoteAddress"]) == ("device", "cloud", "192.0.2.1")
        (child,) = row["children"]
        assert (child["local"], child["remote"]) == (["10.11.12.0/24"], ["10.20.0.0/24"])
        assert row["established"] is not None
        assert "AES" in row["ike"]
        assert "AES" in child["esp"]


@pytest.mark.fullkernel
@in_time
async def test_a_killed_charon_s_states_are_not_left() -> None:
    """When its successor has its own, they go, and only they."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        await instance.follow(scope(connection()))
        await instance.up()
        before = {each.spi for each in states()}
        assert len(before) == 2
        await asyncio.sleep(1.1)  # the kernel tells only the second in which a state was made
        await instance.kill()
        await until(lambda: len({each.spi for each in states()} - before) == 2, "new states")
        await until(lambda: not {each.spi for each in states()} & before, "the old ones have gone")
        await instance.up()
        assert {int(spi, 16) for spi in spis().values()} < {each.spi for each in states()}
        assert " 0% packet loss" in await asyncio.to_thread(ping, 5)
        instance.again()
        await instance.up()
        assert len(states()) == 2


@in_time
async def test_on_traffic() -> None:
    """A child that begins with its first packet waits for it where the backend can, and else says that it does not."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        wanted = scope(connection(children=[child(start="traffic")]))
        await instance.follow(wanted)
        if wanted.vpn.esp == "libipsec":
            row = await instance.up()
            assert row["children"][0]["remark"] == "is up without traffic, too: libipsec cannot wait for it"
            return
        await until(lambda: instance.row()["state"] == "waiting", "it waits")
        assert instance.watch.reasons() == []
        sh("ip link set ipsec0 up; ip route replace 10.20.0.0/16 dev ipsec0 src 10.11.12.1")
        await asyncio.to_thread(ping)
        row = await instance.up()
        assert "remark" not in row["children"][0]
        assert " 0% packet loss" in ping(5)


@in_time
async def test_wrong_secret_then_the_right_one() -> None:
    """The other end refuses us: said in words; a changed file is tried at once, without anybody telling."""
    async with ipsec_stage() as (instance, peer):
        await peer.load(psk="another")
        await instance.follow(scope(connection()))
        said = await instance.says("authentication failed")
        assert said.startswith("tunnel cloud1: authentication failed: the other end does not accept us")
        assert "s3cret" not in said
        await until(lambda: instance.row()["state"] == "down", "its attempt has ended")
        await asyncio.sleep(4)  # its pauses have grown
        secret("another")
        await instance.up(timeout=2)
        assert instance.watch.reasons() == []


@in_time
async def test_changed_secret_disturbs_nothing() -> None:
    """What is up stays up with another secret in the file; what begins then is begun with it."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        await instance.follow(scope(connection()))
        await instance.up()
        before, changes = spis(), loaded("get-shared")
        await peer.load(psk="another")
        secret("another")
        await until(lambda: loaded("get-shared") != changes, "the new secret is loaded")
        assert spis() == before
        swanctl("--terminate", "--ike", "device")
        await until(lambda: spis() not in (before, {}), "established again")
        await instance.up()
        assert " 0% packet loss" in ping(5)


@in_time
@pytest.mark.parametrize(
    ("peers", "ours", "words"),
    [
        ({"more": "proposals = aes128-sha256-modp3072"}, {}, "no proposal chosen: the other end takes none of the connection's"),
        ({"child": "esp_proposals = aes256-sha512"}, {}, "no proposal chosen: the other end takes none of the child's"),
        ({"children": NET.replace("10.11.12", "10.77.0")}, {}, "selectors not acceptable"),
        ({"remote": "auth = psk\n id = somebody"}, {}, "authentication failed: the other end does not accept us"),
        ({"more": "pools = pool"}, {}, "virtualIp"),
        ({}, {"remote": "198.51.100.77"}, "no route to the other end"),
        ({}, {"remote": "vpn.example.com"}, "the name vpn.example.com is not resolved"),
    ],
    ids=["ike", "esp", "selectors", "identity", "pool", "route", "name"],
)  # fmt: skip
async def test_words(peers: dict[str, str], ours: dict[str, Any], words: str) -> None:
    """What keeps a connection from coming up is said by what to check; mended, it comes up."""
    async with ipsec_stage() as (instance, peer):
        await peer.load(**peers)
        wanted = scope(connection(**ours))
        if ours:
            address = () if "example" in ours["remote"] else (ip_address(ours["remote"]),)
            wanted = replace(wanted, vpn=replace(wanted.vpn, endpoints={ours["remote"]: address}))
        await instance.follow(wanted)
        await instance.says(words)
        assert instance.row()["error"]
        assert instance.row()["state"] != "up"
        await peer.load()
        if ours:
            right = {ours["remote"]: (ip_address(PEER),)}
            await instance.follow(replace(wanted, vpn=replace(wanted.vpn, endpoints=right)))
        row = await instance.up(timeout=20)
        assert row["error"] == ""


@in_time
async def test_silent_peer() -> None:
    """Nobody answers: said so; when he does, it is established."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        sh("ip -n peer link set eth0 down")
        await instance.follow(scope(connection()))
        await instance.says("other end does not answer", timeout=30)
        assert instance.row()["state"] == "connecting"
        sh("ip -n peer link set eth0 up")
        await instance.up(timeout=20)


@in_time
async def test_other_address() -> None:
    """The other end's name leads elsewhere: what waits for answers is begun anew, what is up stays as it is."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        nobody, right = (ip_address("192.0.2.99"),), (ip_address(PEER),)
        wanted = scope(connection(remote="vpn.example.com", remoteAuth={"id": "cloud", "psk": {"file": PSK}}))
        first, second = (
            replace(wanted, vpn=replace(wanted.vpn, endpoints={"vpn.example.com": each}))
            for each in (nobody, right)
        )
        await instance.follow(first)
        await until(lambda: instance.row()["state"] == "connecting", "it is tried")
        assert instance.row()["remoteAddress"] == "192.0.2.99"
        await instance.follow(second)
        await instance.up(timeout=3)
        before = spis()
        await instance.follow(first)
        await asyncio.sleep(0.5)
        assert spis() == before
        assert instance.row()["remoteAddress"] == PEER


@in_time
async def test_several_addresses() -> None:
    """Of a name with several addresses the next one is asked when one is silent."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        wanted = scope(connection(remote="vpn.example.com"))
        both = (ip_address("192.0.2.99"), ip_address(PEER))
        await instance.follow(replace(wanted, vpn=replace(wanted.vpn, endpoints={"vpn.example.com": both})))
        await instance.up(timeout=20)


@in_time
async def test_charon_killed() -> None:
    """The tunnel is known to be down at once, and is back when charon is."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        await instance.follow(scope(connection()))
        await instance.up()
        before, pid = spis(), instance.pid()
        states: list[str] = []
        instance.watch.changed = lambda: states.append(instance.row()["state"])
        await instance.kill()
        assert instance.pid() != pid
        await instance.up()
        assert "down" in states
        assert spis() not in (before, {})
        await until(lambda: " 0% packet loss" in ping(2), "packets pass")


@in_time
async def test_agent_restarts() -> None:
    """Another agent finds everything loaded, and disturbs nothing: the same SPIs, no line about loading in the log."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        await instance.follow(scope(connection()))
        await instance.up()
        before, log = spis(), len(own_log())
        instance.again()
        assert instance.watch.reasons() == ["tunnel cloud1: charon does not answer yet"]
        row = await instance.up()
        assert spis() == before
        assert row["children"][0]["rekey"] > 0
        assert "loaded" not in own_log()[log:]
        assert "vici connection" not in own_log()[log:]


@in_time
async def test_rekeyed() -> None:
    """New keys of the child and of IKE, and no packet is lost."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        await instance.follow(scope(connection()))
        await instance.up()
        own, uri = "swanctl", "--uri unix:///run/agent/charon/charon.vici"
        pinging = asyncio.create_task(asyncio.to_thread(ping, 150))
        for what in ("--child net", f"--ike {name()}", "--child net"):
            known = sh(f"{own} --list-sas --raw {uri}")
            sh(f"{own} --rekey {what} {uri}")
            await until(lambda k=known: sh(f"{own} --list-sas --raw {uri}") != k, "new keys")  # type: ignore[misc]
        swanctl("--rekey", "--child", "net")
        assert " 0% packet loss" in await pinging
        assert instance.row()["state"] == "up"


@in_time
async def test_peer_restarts() -> None:
    """The other end loses its memory: DPD finds that out, and the tunnel is established again."""
    async with ipsec_stage() as (instance, peer):
        await peer.load()
        await instance.follow(impatient(scope(connection())))
        await instance.up()
        peer.kill()
        await until(lambda: instance.row()["state"] != "up", "known to be down", 50)
        await instance.says("other end does not answer")
        await peer.start()
        await peer.load()
        await instance.up(timeout=30)
        await until(lambda: " 0% packet loss" in ping(2), "packets pass")


@in_time
async def test_connections_and_children() -> None:
    """Two connections with several children; one that is removed goes, and the other stays as it is."""
    async with ipsec_stage() as (instance, peer):
        more = "other { local_ts = 10.20.1.0/24\n remote_ts = 10.11.12.0/24\n }\nthird { local_ts = 10.20.2.0/24\n remote_ts = 10.11.12.0/24\n }"
        both = connection(children=[child(), child("other", "10.20.1.0/24")])
        second = connection(
            "cloud2",
            localAuth={"id": "device2"},
            remoteAuth={"id": "cloud", "psk": {"file": f"{PSK}2"}},
            children=[child("third", "10.20.2.0/24")],
        )
        secret("s3cret", f"{PSK}2")
        await peer.load(children=f"{NET}\n{more}", remote="auth = psk\n id = %any")
        await instance.follow(scope(both, second))
        await instance.up()
        await instance.up("cloud2")
        before = spis()
        assert set(before) == {"net", "other", "third"}
        assert " 0% packet loss" in ping(3, "10.20.1.1")
        await instance.follow(scope(both))
        await until(lambda: set(spis()) == {"net", "other"}, "the second one is gone")
        assert {name: spi for name, spi in before.items() if name != "third"} == spis()
        await until(lambda: "cloud2" not in loaded("get-shared"), "its secret is gone")
        assert [row["name"] for row in instance.watch.rows()] == ["cloud1"]


@in_time
async def test_virtual_address() -> None:
    """The other end gives an address and DNS servers; both are facts while the tunnel is up."""
    async with ipsec_stage() as (instance, peer):
        await peer.load(more="pools = pool", children="net { local_ts = 10.20.0.0/24\n }")
        wanted = scope(connection(virtualIp=True))
        await instance.follow(wanted)
        row = await instance.up()
        assert (row["virtual"], row["dns"]) == (["10.99.0.1"], ["10.20.0.53", "10.20.0.54"])
        facts = instance.watch.add(wanted.vpn)
        assert list(map(str, (*facts.virtual, *facts.dns))) == ["10.99.0.1", "10.20.0.53", "10.20.0.54"]
        assert row["children"][0]["local"] == ["10.99.0.1/32"]
        given: list[VpnFacts] = []
        instance.watch.changed = lambda: given.append(instance.watch.add(wanted.vpn))
        await instance.kill()
        await instance.up()
        assert wanted.vpn in given
        assert instance.watch.add(wanted.vpn).virtual


def impatient(wanted: InstanceScope) -> InstanceScope:
    """With a DPD that no document may ask for."""
    spec = wanted.instance.spec
    assert spec.vpn is not None
    (each,) = spec.vpn.connections
    vpn = spec.vpn.model_copy(update={"ipsec": Ipsec(connections=(each.model_copy(update={"dpd": "1s"}),))})
    return replace(
        wanted, instance=wanted.instance.model_copy(update={"spec": spec.model_copy(update={"vpn": vpn})})
    )


def own_log() -> str:
    """What our charon has written."""
    return Path("/run/agent/charon/charon.log").read_text()


def loaded(command: str) -> str:
    """What our charon has, as another client is told."""
    what = {"get-shared": "secrets"}[command]
    assert what
    code = "import socket,vici;s=socket.socket(socket.AF_UNIX);s.connect('/run/agent/charon/charon.vici');print(list(vici.Session(s).get_shared()['keys']))"
    return sh(f'{sys.executable} -c "{code}"')


def name() -> str:
    """Under which name the connection was loaded."""
    return next(
        line.split(":")[0]
        for line in sh("swanctl --list-conns --uri unix:///run/agent/charon/charon.vici").splitlines()
        if line.startswith("cloud1")
    )

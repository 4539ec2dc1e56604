"""WireGuard's settings from inside, with the running kernel's or with wireguard-go, against plain ``wg`` on the other side."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from tests.kernel.stage import sh, stage
from tests.kernel.wireguardstage import (
    FAR4,
    FAR6,
    KERNEL,
    KEYS,
    OUTER4,
    born,
    far,
    key,
    moved,
    needed,
    peer,
    preshared,
    tunnel,
    until,
    wire,
)
from tests.lab import isolated

pytestmark = needed


def ping(address: str, *options: str) -> None:
    sh(f"ping -c 1 -W 6 {' '.join(options)} {address}")


@pytest.mark.bothkernels
@isolated
async def test_reaches_a_plain_peer() -> None:
    """A handshake with a preshared key, IPv4 and IPv6 inside; the second plan is empty, also a restarted agent's."""
    with wire():
        public, psk = key("wg0"), preshared("psk")
        hub = far("hub", "10.9.0.1/24 fd09::1/64", port=51820, peers=f"""[Peer]
            PublicKey = {public}
            PresharedKey = {Path(psk).read_text().strip()}
            AllowedIPs = 10.9.0.2/32, fd09::2/128""")  # fmt: skip
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        items = tunnel(
            "wg0", door,
            peer(hub, "10.9.0.0/24,fd09::/64", endpoints=(f"{FAR4}:51820",), preshared=psk, keepalive=25),
            addresses="10.9.0.2/24 fd09::2/64", fwmark=0x4E570003,
        )  # fmt: skip
        async with stage() as agent:
            agent.system.rtnl.ipv6 = True
            done = await agent.bring(*items)
            assert done.index("create wireguard/wg0") < done.index("create link-up/wg0")
            ping("10.9.0.1")
            ping("fd09::1")
            # The socket is where the interface was born, and what it sends has the mark.
            port = sh(f"wg show {door} listen-port")
            assert port in sh("ip netns exec outer ss -Hlun")
            assert port not in sh("ss -Hlun")
            assert sh(f"wg show {door} fwmark") == "0x4e570003"
        async with stage(fresh=False) as restarted:
            restarted.system.rtnl.ipv6 = True
            assert await restarted.bring(*items) == []


@isolated
async def test_ipv6_outside() -> None:
    """The other end is reached by IPv6."""
    with wire():
        hub = far(
            "hub",
            "10.9.0.1/24",
            port=51820,
            peers=f"[Peer]\nPublicKey = {key('wg0')}\nAllowedIPs = 10.9.0.2/32",
        )
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        async with stage() as agent:
            there = peer(hub, "10.9.0.0/24", endpoints=(f"[{FAR6}]:51820",))
            await agent.bring(*tunnel("wg0", door, there, addresses="10.9.0.2/24"))
            ping("10.9.0.1")


@isolated
async def test_changed_peers_disturb_no_others() -> None:
    """Peers come, change and go, and the mark and the port change, while not one packet of another peer is lost."""
    with wire():
        public = key("wg0")
        back = f"[Peer]\nPublicKey = {public}\nAllowedIPs = 10.9.0.2/32"
        hub = far("hub", "10.9.0.1/32", port=51820, peers=back)
        other = far("other", "10.9.1.1/32", port=51821, peers=back)
        sh("ip -n far route add 10.9.0.2/32 dev hub")
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        first = peer(hub, "10.9.0.1/32", endpoints=(f"{FAR4}:51820",))
        second = peer(other, "10.9.1.0/24", endpoints=(f"{FAR4}:51821",))
        wg0 = partial(tunnel, "wg0", door, addresses="10.9.0.2/32")
        async with stage() as agent:
            await agent.bring(*wg0(first))
            sh("ip route add 10.9.0.0/16 dev wg0")
            ping("10.9.0.1")
            handshake = sh(f"wg show {door} latest-handshakes")
            pinging = subprocess.Popen(
                ["ping", "-i", "0.01", "-w", "3", "-q", "10.9.0.1"], stdout=subprocess.PIPE, text=True
            )
            for number in range(6):
                assert await agent.bring(*wg0(first, second)) == ["modify wireguard/wg0"]
                psk = preshared(f"psk{number}")
                await agent.bring(*wg0(first, replace(second, preshared=psk, keepalive=9)))
                wider = peer(other, "10.9.1.0/24,10.9.2.0/24", endpoints=second.endpoints)
                await agent.bring(*wg0(first, wider, fwmark=number + 1))
                assert await agent.bring(*wg0(first)) == ["modify wireguard/wg0"]
            report, _ = pinging.communicate()
            found = re.search(r"(\d+) packets transmitted, (\d+) received", report)
            assert found, report
            sent, received = map(int, found.groups())
            assert sent > 100
            assert sent - received <= 1, report  # the last one may be under way
            assert sh(f"wg show {door} latest-handshakes") == handshake


@isolated
async def test_a_network_goes_to_another_peer() -> None:
    """Allowed IPs that go from one peer to another are the other's."""
    with wire():
        key("wg0")
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        one, two = sorted((key("one"), key("two")))
        async with stage() as agent:
            await agent.bring(*tunnel("wg0", door, peer(one, "10.1.0.0/16"), peer(two, "10.2.0.0/16")))
            await agent.bring(*tunnel("wg0", door, peer(one, "10.2.0.0/16"), peer(two, "10.1.0.0/16")))
            assert sh(f"wg show {door} allowed-ips").split() == [one, "10.2.0.0/16", two, "10.1.0.0/16"]
            await agent.bring(*tunnel("wg0", door, peer(two, "10.2.0.0/16,10.1.0.0/16")))
            assert sh(f"wg show {door} peers") == two


@isolated
async def test_many_peers() -> None:
    """More peers than go into one call, each with a preshared key."""
    with wire():
        key("wg0")
        psk = preshared("psk")
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        publics = [sh("wg genkey | wg pubkey") for _ in range(450)]
        peers = [peer(each, f"10.{n // 250}.{n % 250}.0/24", preshared=psk) for n, each in enumerate(publics)]
        async with stage() as agent:
            await agent.bring(*tunnel("wg0", door, *peers))
            assert len(sh(f"wg show {door} peers").split()) == 450
            await agent.bring(*tunnel("wg0", door, *peers[:3]))
            assert len(sh(f"wg show {door} peers").split()) == 3


@isolated
async def test_keys() -> None:
    """A changed key file is seen; one that is gone, wrong or open to others is told, and what works goes on."""
    with wire():
        public, psk = key("wg0"), preshared("psk")
        hub = far("hub", "10.9.0.1/24", port=51820, peers=f"""[Peer]
            PublicKey = {public}
            PresharedKey = {Path(psk).read_text().strip()}
            AllowedIPs = 10.9.0.2/32""")  # fmt: skip
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        items = tunnel(
            "wg0",
            door,
            peer(hub, "10.9.0.0/24", endpoints=(f"{FAR4}:51820",), preshared=psk),
            addresses="10.9.0.2/24",
        )
        good = Path(psk).read_text()
        async with stage() as agent:
            await agent.bring(*items)
            ping("10.9.0.1")
            for spoil, words in (
                ("rm {}", "there is no file"),
                ("echo hello >{}", "holds no WireGuard key"),
                (": >{}", "is empty"),
                ("wg genkey | tr -d = >{}", "holds no WireGuard key"),
                ("echo AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB= >{}", "WireGuard key"),
                ("head -c 5000 /dev/zero >{}", "holds no WireGuard key"),
                ("chmod 640 {}", r"can be read by its group \(mode 0640\); run: chmod 600"),
                ("chown 1 {}", "belongs to the user with id 1"),
                ("rm {0}; mkdir {0}", "is no file"),
                ("rm {0}; mkfifo {0}", "is no file"),
            ):
                for path in (psk, f"{KEYS}/wg0"):
                    kept = Path(path).read_text()
                    sh(spoil.format(path))
                    with pytest.raises(KernelError, match=words) as told:
                        await agent.once(*items)
                    assert path in str(told.value)
                    assert kept.strip() not in str(told.value)
                    sh(f"rm -rf {path}; umask 077; cat >{path} <<.\n{kept}\n.")
                    assert await agent.bring(*items) == []
            ping("10.9.0.1")
            # Another one: the other end does not have it, until it has.
            preshared("psk")
            assert await agent.bring(*items) == ["modify wireguard/wg0"]
            assert Path(psk).read_text() != good
            sh(f"ip netns exec far wg set hub peer {public} preshared-key {psk}")
            ping("10.9.0.1")
            # The interface's own, not written as "wg genkey" does.
            sh(f"umask 077; head -c 32 /dev/urandom | base64 >{KEYS}/wg0")
            assert await agent.bring(*items) == ["modify wireguard/wg0"]
            assert sh(f"wg show {door} public-key") == sh(f"wg pubkey <{KEYS}/wg0") != public
            # No preshared key any more.
            await agent.bring(
                *tunnel(
                    "wg0",
                    door,
                    peer(hub, "10.9.0.0/24", endpoints=(f"{FAR4}:51820",)),
                    addresses="10.9.0.2/24",
                )
            )
            assert "(none)" in sh(f"wg show {door} preshared-keys")


@isolated
async def test_a_generated_key_is_kept() -> None:
    """A key is made once, for root alone."""
    with wire():
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        path = Path("/run/state/secrets/ni1/wg0.key")
        items = tunnel("wg0", door, private_key=str(path), generated=True)
        async with stage() as agent:
            await agent.bring(*items)
            public = sh(f"wg show {door} public-key")
            assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
            assert os.listdir(path.parent) == ["wg0.key"]
            assert sh(f"wg pubkey <{path}") == public
            sh("ip link del wg0")
            until(lambda: KERNEL or not Path("/run/wireguard/nmw-a.wg0.sock").exists())
            born("nmw-a.wg0")
            moved("nmw-a.wg0", "wg0")
            await agent.bring(*items)
            assert sh(f"wg show {door} public-key") == public


@isolated
async def test_places_of_peers() -> None:
    """Where a peer was heard of is not set back, unless it has to be looked for elsewhere."""
    with wire():
        public = key("wg0")
        hub = far(
            "hub",
            "10.9.0.1/24",
            port=51820,
            peers=f"[Peer]\nPublicKey = {public}\nAllowedIPs = 10.9.0.2/32\nEndpoint = {OUTER4}:4000",
        )
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        there = peer(hub, "10.9.0.0/24", endpoints=(f"{FAR4}:51820",))
        wg0 = partial(tunnel, "wg0", door, addresses="10.9.0.2/24", listen_port=4000)
        async with stage() as agent:
            # It is not known where the peer is: it calls us.
            await agent.bring(*wg0(peer(hub, "10.9.0.0/24")))
            sh("ip netns exec far ping -c 1 -W 6 10.9.0.2")
            assert sh(f"wg show {door} endpoints") == f"{hub}\t{FAR4}:51820"
            sh("ip netns exec far wg set hub listen-port 999; ip netns exec far ping -c 1 -W 6 10.9.0.2")
            assert sh(f"wg show {door} endpoints") == f"{hub}\t{FAR4}:999"
            assert await agent.bring(*wg0(there)) == []
            ping("10.9.0.1")
            back = wg0(replace(there, at=f"{FAR4}:51820"))
            assert await agent.bring(*back) == ["modify wireguard/wg0"]
            assert sh(f"wg show {door} endpoints") == f"{hub}\t{FAR4}:51820"


@isolated
async def test_wrongs() -> None:
    """What cannot be is told: a peer with the interface's own key, a port that is taken, an interface that has gone."""
    with wire():
        public = key("wg0")
        born("nmw-a.wg0")
        door = moved("nmw-a.wg0", "wg0")
        async with stage() as agent:
            with pytest.raises(KernelError, match="hub of wg0 has the public key of wg0 itself"):
                await agent.once(*tunnel("wg0", door, peer(public, "10.9.0.0/24", name="hub")))
            await agent.bring(*tunnel("wg0", door))
            born("nmw-b.wg0")
            sh("ip netns exec outer wg set nmw-b.wg0 listen-port 4000; ip -n outer link set nmw-b.wg0 up")
            with pytest.raises(KernelError, match="UDP port 4000 of the device is taken"):
                await agent.once(*tunnel("wg0", door, listen_port=4000))
            sh("ip link del wg0")
            assert await agent.once(*tunnel("wg0", door)) == []

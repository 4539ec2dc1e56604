"""What the kill switch costs a packet: ``unshare -nm python -m tests.bench.vpn_guard [SECONDS]``, as root.

An instance with a tunnel, for which a veth stands in; 1,000 packets of UDP (46 bytes) at a time are sent from the
application into the tunnel and back, with the table and the rules and without them in turns, and their senders'
processor time (in which everything on the way happens) compared.  Printed are the tenths of lowest cost, in which others have disturbed least.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time

from tests.bench.observe import Sender, sh
from tests.kernel.stage import stage
from tests.kernel.vpnstage import APP, app, document, items, put_tunnel, scope, settle, surroundings

TABLE = "inet netnsmgr_vpn"
DROP = "table netdev d {{ chain c {{ type filter hook ingress device {} priority 0;\n udp dport 9000 drop\n }}\n}}"


def switch(*, on: bool, text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text if on else f"delete table {TABLE}", text=True, check=True)
    for rule in ("pref 100 fwmark 0x4e4d0000/0xffff0000", "pref 101 oif uplink"):
        sh(f"ip rule {'add' if on else 'del'} {rule} lookup 700")


async def main() -> None:
    end = time.monotonic() + (float(sys.argv[1]) if len(sys.argv) > 1 else 60)
    sh("mount -t tmpfs none /run; mkdir -p /run/netns; ip link set lo up")
    with surroundings():
        async with stage() as agent:
            put_tunnel()
            await agent.bring(*items(scope(document(nat=False), [app()])))
            settle()
            for netns, link in (("app1", "eth0"), ("cloud", "far")):
                subprocess.run(["ip", "netns", "exec", netns, "nft", DROP.format(link)], check=True)
            text = sh(f"nft list table {TABLE}")
            senders = {"out": Sender("app1", "10.20.0.5"), "in": Sender("cloud", APP)}
            found: dict[tuple[str, bool], list[float]] = {
                (way, on): [] for way in senders for on in (True, False)
            }
            for sender in senders.values():
                sender.cost()
            while time.monotonic() < end:
                for on in (False, True):
                    switch(on=on, text=text)
                    for way, sender in senders.items():
                        sender.cost()
                        found[way, on].append(min(sender.cost() for _ in range(5)))
    for way in senders:
        with_, without = (statistics.quantiles(found[way, on], n=10)[0] for on in (True, False))
        print(
            f"{way}: {without * 1e6:.3f} us a packet without ({1 / without:,.0f}/s), {with_ * 1e6:.3f} us with ({1 / with_:,.0f}/s):"
            f" {(with_ / without - 1) * 100:+.1f} %, {len(found[way, True])} pairs"
        )


if __name__ == "__main__":
    asyncio.run(main())

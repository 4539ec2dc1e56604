"""Elements of host rules' sets get another time while packets look for them."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.kernel.nft_command import Counter, Transactions
from netnsmgr.services.flowlog.hosts import commands
from tests.kernel.stage import sh
from tests.lab import isolated

pytestmark = pytest.mark.root

TABLE = """
table inet netnsmgr_acl {
    counter unlogged { }
    set host_aa_4 { type ipv4_addr; flags timeout; timeout 1h; }
    chain output {
        type filter hook output priority 0
        udp dport 9 ip daddr @host_aa_4 counter accept
        udp dport 9 counter name unlogged
    }
}
"""


@isolated
def test_an_element_is_there_throughout() -> None:
    """Of packets sent all the time, every one finds the address, while its time is set again and again."""
    sh(f"nft -f - <<'END'\n{TABLE}\nEND")
    nft, missed = Transactions(), Counter("netnsmgr_acl", "unlogged")
    missed.more()
    nft.run(commands([(("host_aa_4", "127.0.0.9"), 100)]))
    over = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not over.is_set():
                try:
                    sock.sendto(b"x", ("127.0.0.9", 9))
                except ConnectionRefusedError:
                    pass

    sender = threading.Thread(target=send)
    sender.start()
    for n in range(500):
        nft.run(commands([(("host_aa_4", "127.0.0.9"), 100 + n), (("host_aa_4", f"127.0.1.{n % 200}"), 50)]))
    over.set()
    sender.join()
    listed = json.loads(sh("nft -j list chain inet netnsmgr_acl output"))["nftables"]
    found = next(
        e["counter"]["packets"] for x in listed if "rule" in x for e in x["rule"]["expr"] if "counter" in e
    )
    assert found > 1000
    assert missed.more() == 0
    assert "127.0.0.9 timeout 9m59s expires" in sh("nft list set inet netnsmgr_acl host_aa_4")


@isolated
def test_a_set_that_is_not_there_is_said() -> None:
    """And nothing of the transaction is done."""
    sh(f"nft -f - <<'END'\n{TABLE}\nEND")
    with pytest.raises(KernelError, match="No such file"):
        Transactions().run(commands([(("host_aa_4", "127.0.0.9"), 100), (("host_bb_4", "127.0.0.9"), 100)]))
    assert "127.0.0.9" not in sh("nft list set inet netnsmgr_acl host_aa_4")
    assert Counter("netnsmgr_acl", "nothing").more() == 0

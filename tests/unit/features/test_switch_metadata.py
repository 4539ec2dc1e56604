"""What applications of a switch are told of themselves, and by which rules they ask."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from typing import Any

import pytest

from netnsmgr.features.instance import intent
from netnsmgr.features.metadata import ON_LINK6
from netnsmgr.features.nets import Learned
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import solicited
from netnsmgr.items.file import File
from netnsmgr.items.nft_part import NftPart
from tests.scenarios.documents import app
from tests.unit.features.test_switch_links import scope

MAC = "02:00:00:00:00:0a"


def told(made: InstanceScope) -> dict[str, Any]:
    """What the service reads."""
    (text,) = [i.text for i in intent(made)[""] if isinstance(i, File) and i.path.endswith("/metadata.json")]
    found: dict[str, Any] = json.loads(text)
    return found


def test_an_application_is_seen_outside_by_its_own_addresses() -> None:
    """By those of IPv4 that are known, and no link-local ones; another's are another's."""
    made = scope(app("app1", "ni6"), app("app2", "ni6"))
    one, two = made.numbers.vifs["app1/eth0"], made.numbers.vifs["app2/eth0"]
    addresses = ((one, "192.168.3.9"), (one, "169.254.1.1"), (one, "2001:db8::1"), (two, "192.168.3.7"))
    learned = tuple(Learned(vif, ip_address(address)) for vif, address in addresses)
    vifs = told(replace(made, learned=learned))["vifs"]
    assert vifs[str(one)]["external"] == ["192.168.3.9"]
    assert vifs[str(two)]["external"] == ["192.168.3.7"]
    assert vifs[str(one)]["network"]["networks"] == [{"id": "network0", "link": "eth0", "type": "ipv4_dhcp"}]
    assert vifs[str(one)]["network"]["services"] == []


def test_nothing_of_it_without_applications() -> None:
    items = [item for group in intent(scope()).values() for item in group]
    assert [str(item.ref) for item in items if "metadata" in str(item.ref)] == []


@pytest.mark.parametrize("guarded", [True, False])
def test_an_interface_asks_by_its_own_id_whether_or_not_it_is_guarded(guarded: bool) -> None:
    made = scope(app("app1", "ni6", antiSpoofing=guarded))
    (part,) = [i for i in intent(made)["app1/eth0"] if isinstance(i, NftPart) and i.family == "netdev"]
    assert f'meta mark set {made.numbers.vifs["app1/eth0"]} fwd to "to-metadata"' in part.body
    assert "goto @@_metadata" in part.body
    assert "ip6 daddr set ip6 saddr" in part.body


@pytest.mark.parametrize("asker", ["fe80::1", "fe80::16:3eff:feba:51c6", "2001:db8::ffff:ffff:ffff"])
def test_the_checksum_of_an_answer_is_right_for_every_asker(asker: str) -> None:
    """The kernel corrects the checksum by the difference of what it writes (RFC 1624); so does this test."""
    rule = solicited.answer(MAC)
    told = bytes.fromhex(rule.partition("@th,0,64 set 0x")[2].split()[0])
    option = bytes.fromhex(rule.partition("@th,192,64 set 0x")[2].split()[0])
    sent = IPv6Address(asker).packed
    checksum = corrected(struct.unpack("!H", told[2:4])[0], solicited.ANYBODY.packed, sent)
    message = told[:2] + struct.pack("!H", checksum) + told[4:] + ON_LINK6.packed + option
    pseudo = ON_LINK6.packed + sent + struct.pack("!II", len(message), solicited.ICMPV6)
    assert total(pseudo + message) == 0xFFFF
    assert message[:2] == bytes([136, 0])
    assert option == bytes([2, 1]) + bytes.fromhex(MAC.replace(":", ""))


def corrected(checksum: int, old: bytes, new: bytes) -> int:
    inverted = bytes(0xFF - each for each in old)
    return ~total(struct.pack("!H", ~checksum & 0xFFFF) + inverted + new) & 0xFFFF


def total(data: bytes) -> int:
    found: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while found >> 16:
        found = (found & 0xFFFF) + (found >> 16)
    return found

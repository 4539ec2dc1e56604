"""What tunnels take of a packet.  That the sizes are right is proved by packets: tests/kernel/test_ipsec_sizes.py."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from netnsmgr.config.ipsec import ESP_PROPOSALS
from netnsmgr.features.vpn.overhead import esp_mtu, wireguard_go_mtu, wireguard_mtu

V4, V6 = ip_address("198.51.100.1"), ip_address("2001:db8::1")


@pytest.mark.parametrize(
    ("endpoints", "mtu"), [([V4], 1440), ([V6], 1420), ([V4, V6], 1420), ([], 1420), ([V4, V4], 1440)]
)
def test_wireguard(endpoints: list[object], mtu: int) -> None:
    """The larger of both headers counts, and where nothing is known."""
    assert wireguard_mtu(1500, endpoints) == mtu  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("most", "mtu"), [(1440, 1436), (1420, 1420), (1432, 1420), (1412, 1408), (1340, 1328), (8940, 8936)]
)
def test_wireguard_go(most: int, mtu: int) -> None:
    """No packet that fits is padded beyond what the kernel's largest one takes, and the next larger one would be."""

    def padded(size: int) -> int:
        # As calculatePaddingSize of wireguard-go has it, with the MTU of its link's birth.
        last = size % 1420 if size > 1420 else size
        return size - last + min(-(-last // 16) * 16, 1420)

    assert wireguard_go_mtu(most) == mtu
    assert max(padded(size) for size in range(1, mtu + 1)) <= most
    assert mtu == most or padded(mtu + 1) > most


@pytest.mark.parametrize(
    ("proposal", "mtu"),
    [
        ("aes256gcm16-x25519", 1438),
        ("aes256gcm128", 1438),
        ("aes256gcm", 1438),
        ("aes128gcm8", 1446),
        ("aes256ccm12", 1442),
        ("chacha20poly1305-ecp256", 1438),
        ("aes256-sha256-modp2048", 1422),
        ("aes128-sha384", 1422),
        ("aes128-sha512", 1406),
        ("aes128-sha1", 1422),
        ("aes128ctr-sha256", 1438),
        ("3des-sha1", 1438),
        ("aes128-aes256gcm16-sha512", 1406),
        ("default", 1406),
    ],
)
def test_esp(proposal: str, mtu: int) -> None:
    """By hand: 1500 - 20 - 8 - 8 - IV - ICV, down to the block (or 4), less the trailer's 2."""
    assert esp_mtu(1500, [proposal], 4) == mtu


def test_the_worst_counts() -> None:
    """Whichever of those that are offered is taken, packets fit."""
    assert esp_mtu(1500, ESP_PROPOSALS, 4) == min(esp_mtu(1500, [each], 4) for each in ESP_PROPOSALS) == 1422
    assert esp_mtu(1500, ["aes256gcm16"], 6) == 1418
    assert esp_mtu(1500, [], 4) == 1406

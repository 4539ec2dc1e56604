"""What encrypts on this machine: found out by trying, in a namespace that vanishes.

That a kernel knows IPsec's policies and a socket for them says little: without ESP only the last step fails, in which a
state is installed, long after both ends have agreed.  So that step is tried.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

from netnsmgr.kernel.nfnetlink import NLM_F_ACK
from netnsmgr.kernel.route_socket import RouteSocket
from netnsmgr.kernel.scratch import MODULE, NAMESPACE, Outcome, Probe, tap, tried

NETLINK_XFRM = 6
RTM_NEWLINK, XFRM_MSG_NEWSA = 16, 16
NLM_F_NEW = 0x600  # NLM_F_CREATE | NLM_F_EXCL
IFLA_IFNAME, IFLA_LINKINFO = 3, 18
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_XFRM_IF_ID = 2
XFRMA_ALG_CRYPT, XFRMA_ENCAP, XFRMA_ALG_AEAD, XFRMA_ALG_AUTH_TRUNC, XFRMA_IF_ID = 2, 4, 18, 20, 31
AF_INET, IPPROTO_ESP, XFRM_MODE_TUNNEL, UDP_ENCAP_ESPINUDP = 2, 50, 1, 2
NOT_LIMITED = 2**64 - 1

PLUGINS = tuple(
    Path(f"/usr/{place}/plugins")
    for place in ("lib/ipsec", "libexec/ipsec", "lib64/ipsec", "lib/strongswan", "lib64/strongswan")
)
"""Where distributions keep charon's plugins."""
LIBIPSEC = "libstrongswan-kernel-libipsec.so"
NEEDED = ("libstrongswan-vici.so", "libstrongswan-openssl.so", "libstrongswan-updown.so")
"""charon's socket, its algorithms, and what tells of a virtual address's DNS servers."""


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def _link(kind: str, data: bytes = b"") -> None:
    info = _attribute(IFLA_INFO_KIND, kind.encode())
    if data:
        info += _attribute(IFLA_INFO_DATA, data)
    name = _attribute(IFLA_IFNAME, f"try-{kind}"[:15].encode() + b"\0")
    with RouteSocket() as route:
        route.request(RTM_NEWLINK, NLM_F_ACK | NLM_F_NEW, bytes(16) + name + _attribute(IFLA_LINKINFO, info))


def _state(spi: int, algorithms: bytes) -> None:
    """Install a state as charon would (``struct xfrm_usersa_info``, linux/xfrm.h)."""
    to, source = bytes((198, 51, 100, 1)) + bytes(12), bytes((198, 51, 100, 2)) + bytes(12)
    selector = bytes(40) + struct.pack("=HBBB3xiI", AF_INET, 0, 0, 0, 0, 0)
    ident = to + struct.pack("!IB3x", spi, IPPROTO_ESP)
    limits = struct.pack("=8Q", *(NOT_LIMITED,) * 4, *(0,) * 4)
    rest = struct.pack("=IIHBBB7x", 0, 1, AF_INET, XFRM_MODE_TUNNEL, 32, 0)
    encapsulated = struct.pack("=H", UDP_ENCAP_ESPINUDP) + struct.pack("!HH2x16x", 4500, 4500)
    more = _attribute(XFRMA_ENCAP, encapsulated) + _attribute(XFRMA_IF_ID, struct.pack("=I", 1))
    with RouteSocket(protocol=NETLINK_XFRM) as xfrm:
        body = selector + ident + source + limits + bytes(32 + 12) + rest + algorithms + more
        xfrm.request(XFRM_MSG_NEWSA, NLM_F_ACK | NLM_F_NEW, body)


def _named(name: str, *numbers: int) -> bytes:
    return struct.pack(f"=64s{len(numbers)}I", name.encode(), *numbers)


def _aead() -> None:
    # 32 bytes of key and 4 of salt (RFC 4106, 8.1).
    _state(1, _attribute(XFRMA_ALG_AEAD, _named("rfc4106(gcm(aes))", 36 * 8, 16 * 8) + bytes(range(36))))


def _cbc() -> None:
    encryption = _attribute(XFRMA_ALG_CRYPT, _named("cbc(aes)", 32 * 8) + bytes(range(32)))
    integrity = _attribute(XFRMA_ALG_AUTH_TRUNC, _named("hmac(sha256)", 32 * 8, 16 * 8) + bytes(range(32)))
    _state(2, encryption + integrity)


def _program(name: str) -> None:
    if shutil.which(name) is None:
        raise OSError(f"{name} is not installed")


def _plugin(name: str) -> None:
    if not any((place / name).exists() for place in PLUGINS):
        raise OSError(f"charon has no plugin {name}")


def _charon() -> None:
    _program("charon-systemd")
    for name in NEEDED:
        _plugin(name)


def _wireguard_go() -> None:
    _program("wireguard-go")
    _program("wg")
    tap()


def _libipsec() -> None:
    _plugin(LIBIPSEC)
    tap()


def _kernel_esp() -> None:
    _link("xfrm", _attribute(IFLA_XFRM_IF_ID, struct.pack("=I", 1)))
    _aead()
    _cbc()


WIREGUARD = Probe(
    "kernel WireGuard",
    "WireGuard is left to wireguard-go: a process for each tunnel, through which every packet goes (1.2 to 4 Gbit/s "
    "where a link carries 40)",
    MODULE.format("CONFIG_WIREGUARD", "wireguard"),
    lambda: _link("wireguard"),
    False,
)
WIREGUARD_GO = Probe(
    "wireguard-go",
    "no WireGuard where the kernel has none",
    "install wireguard-go and wireguard-tools; in a container: --device /dev/net/tun",
    _wireguard_go,
    False,
)
CHARON = Probe(
    "charon-systemd",
    "no IPsec: an instance with `ipsec` never becomes ready",
    "install charon-systemd, strongswan-swanctl and libstrongswan-standard-plugins (charon's plugins vici and openssl)",
    _charon,
    False,
)
ESP = Probe(
    "kernel ESP",
    "IPsec is left to charon's own ESP: every packet goes through charon, at most 1400 bytes long (0.8 Gbit/s where a link "
    "carries 40)",
    MODULE.format("CONFIG_INET_ESP, CONFIG_INET6_ESP, CONFIG_XFRM_INTERFACE and CONFIG_CRYPTO_GCM", "esp4"),
    _kernel_esp,
    False,
)
CHARONS_ESP = Probe(
    "charon's own ESP",
    "no IPsec where the kernel has no ESP",
    "install libcharon-extra-plugins (kernel-libipsec); in a container: --device /dev/net/tun",
    _libipsec,
    False,
)
BACKENDS = (WIREGUARD, WIREGUARD_GO, CHARON, ESP, CHARONS_ESP)


def attempts() -> dict[Probe, Outcome]:
    """Try all backends, and say of each whether it works and, if not, why; some 10 ms, more where modules are loaded."""
    outcomes = tried((NAMESPACE, *BACKENDS))
    return {probe: outcomes[probe] for probe in BACKENDS}


def chosen(outcomes: Mapping[Probe, Outcome]) -> dict[str, str]:
    """Return which backends are used, the kernel's if it works (see ``features.vpn.facts``); empty where there is none."""
    works = {probe for probe, (ok, _) in outcomes.items() if ok}
    esp = (
        ("kernel" if ESP in works else "libipsec" if CHARONS_ESP in works else "") if CHARON in works else ""
    )
    wireguard = "kernel" if WIREGUARD in works else "wireguard-go" if WIREGUARD_GO in works else ""
    return {"esp": esp, "wireguard": wireguard}


def probe() -> dict[str, str]:
    """Return the backends of `esp` and `wireguard`."""
    return chosen(attempts())

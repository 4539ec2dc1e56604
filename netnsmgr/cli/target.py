"""What ``netnsmgr why`` asks about, as people write it: ``github.com:443/tcp``, ``1.2.3.4/icmp``, ``80/udp``."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

import click

Address = IPv4Address | IPv6Address

TARGETS = "github.com:443, 10.10.1.51:80/tcp, app2:53/udp, [2001:db8::1]:443, 1.2.3.4/icmp or [2001:db8::1]/icmp (an echo request)"
PORTS = "80, 80/tcp, 53/udp, icmp"
FAMILIAR = {"http": 80, "https": 443, "ssh": 22, "domain": 53, "dns": 53}
_TARGET = re.compile(
    r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:/\[\]]+))(?::(?P<port>[^:/]+))?(?:/(?P<proto>[^/]+))?"
)


class Target(NamedTuple):
    """A host (or its address), a protocol by number, and a port; of ICMP the port is type << 8.

    Of a name that is asked for by ICMP, the protocol is that of the version that is not said otherwise: IPv4's.
    """

    host: str
    address: Address | None
    protocol: int
    port: int
    written: str


def target(text: str) -> Target:
    """Read ``host-or-address[:port][/protocol]``; raises UsageError with examples."""
    written, slash, proto = text.strip().partition("/")
    if ":" in written and _address(written) is not None and slash:
        text = f"[{written}]/{proto}"  # without a port the brackets may be missing
    match = _TARGET.fullmatch(text.strip())
    bare = _address(text.strip())
    if match is None and bare is None:
        raise click.UsageError(f"{text!r} is no target; write it like {TARGETS}")
    if match is None or bare is not None:
        raise click.UsageError(f"{text!r} names no port; write it like {_example(text.strip())}")
    host = match["six"] or match["host"]
    address = _address(host)
    if match["six"] and address is None:
        raise click.UsageError(f"{text!r}: {host!r} is no IPv6 address; write it like {TARGETS}")
    protocol, port = _what(text, match["port"], match["proto"], address, TARGETS)
    if address is None and not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?", host):
        raise click.UsageError(
            f"{text!r}: {host!r} is neither a name nor an address; write it like {TARGETS}"
        )
    if address is None and re.fullmatch(r"[0-9.]+", host):
        raise click.UsageError(f"{text!r}: {host!r} is no IPv4 address; write it like {TARGETS}")
    return Target(host, address, protocol, port, text)


def sender(text: str) -> tuple[str, int | None]:
    """Read ``host-or-address[:port]``."""
    if _address(text.strip()) is not None:
        return text.strip(), None
    match = _TARGET.fullmatch(text.strip())
    if match is None or match["proto"]:
        raise click.UsageError(
            f"{text!r} is no sender; write it like 192.168.0.9, 192.168.0.9:5000, 2001:db8::9, [2001:db8::9]:5000, app2 or device"
        )
    return match["six"] or match["host"], None if match["port"] is None else _port(text, match["port"])


def ports(text: str) -> tuple[int, int]:
    """Read ``port[/protocol]`` or ``icmp``; protocol and port."""
    word, _, proto = text.strip().partition("/")
    if not word[:1].isdigit() and not proto and word not in FAMILIAR:
        return _what(text, None, word, None, PORTS)
    return _what(text, word, proto or None, None, PORTS)


def _what(
    text: str, port: str | None, proto: str | None, address: Address | None, examples: str
) -> tuple[int, int]:
    from netnsmgr.config.acl_values import protocol
    from netnsmgr.core.protocols import ECHO_REQUEST, ICMP, ICMPV6, TCP, WITH_PORTS

    try:
        number = protocol(proto) if proto is not None else TCP
    except ValueError as error:
        raise click.UsageError(f"{text!r}: {error}") from None
    if number in {ICMP, ICMPV6}:
        if port is not None:
            raise click.UsageError(f"{text!r}: ICMP has no ports; write it like 1.2.3.4/icmp")
        if number == ICMPV6 and address is not None and address.version == 4:
            raise click.UsageError(f"{text!r}: icmpv6 is IPv6's; write {address}/icmp")
        six = number == ICMPV6 or (address is not None and address.version == 6)
        return ECHO_REQUEST[6 if six else 4]
    if number not in WITH_PORTS:
        if port is not None:
            raise click.UsageError(f"{text!r}: {proto} has no ports; leave the port out")
        return number, 0
    if port is None:
        raise click.UsageError(f"{text!r} names no port; write it like {examples}")
    return number, _port(text, port)


def _port(text: str, word: str) -> int:
    if word in FAMILIAR:
        return FAMILIAR[word]
    if not word.isdigit() or not 1 <= int(word) <= 65535:
        raise click.UsageError(f"{text!r}: {word!r} is no port; write a number from 1 to 65535")
    return int(word)


def _address(text: str) -> Address | None:
    if "%" in text:
        raise click.UsageError(f"{text!r}: leave the zone out; --interface NAME says which link is meant")
    try:
        return ip_address(text)
    except ValueError:
        return None


def _example(text: str) -> str:
    if ":" not in text:
        return f"{text}:443, {text}:53/udp, {text}/icmp"
    # The end of an address may have been meant as a port.
    before, _, end = text.rpartition(":")
    if end.isdigit() and 1 <= int(end) <= 65535 and _address(before) is not None:
        return f"[{before}]:{end}, or [{text}]:443 if that is the whole address"
    return f"[{text}]:443"

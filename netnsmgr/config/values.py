"""Single values as people write them: each reader takes text, gives a plain value, and refuses helpfully.

A reader takes text only (YAML's numbers and booleans never turn into an address or a name) or the value
itself, and raises ValueError with a sentence that says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from netnsmgr.config.colons import of_mapping


def text(value: object, example: str) -> str:
    """Return ``value`` if it is text, otherwise raise ValueError with what to write."""
    match value:
        case str():
            return value
        case None:
            raise ValueError(f"has no value; write for example {example}")
        case bool() | int() | float():
            written = str(value).lower() if isinstance(value, bool) else str(value)
            raise ValueError(f'must be text; {written} is a {_kind(value)} unless it is quoted: "{written}"')
        case _:
            raise ValueError(of_mapping(value) or f"must be text such as {example}, not a {_kind(value)}")


def _kind(value: object) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", dict: "mapping", list: "list"}
    return kinds.get(type(value), type(value).__name__)


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{2}(-[0-9a-f]{2}){5}")


def mac_address(value: object) -> str:
    """Read a unicast Ethernet address; give it in lower case with colons."""
    written = text(value, "02:16:3e:00:00:01")
    found = written.lower()
    if not _MAC.fullmatch(found):
        raise ValueError(f"'{written}' is not a MAC address such as 02:16:3e:00:00:01")
    found = found.replace("-", ":")
    if int(found[:2], 16) & 1:
        raise ValueError(f"'{written}' has the multicast bit set; make the first byte even, for example 02")
    if found == "00:00:00:00:00:00":
        raise ValueError(f"'{written}' is no address of a station; use for example 02:16:3e:00:00:01")
    return found


def _matches(pattern: str, example: str, rule: str) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        written = text(value, example)
        if not compiled.fullmatch(written):
            raise ValueError(f"'{written}' {rule}, for example {example}")
        return written

    return read


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST_LABEL = r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"

dns_label = _matches(
    _LABEL, "ni1", "must be a DNS label: at most 63 of a-z, 0-9 and '-', neither first nor last '-'"
)
host_name = _matches(
    rf"(?=.{{1,253}}$){_HOST_LABEL}(\.{_HOST_LABEL})*",
    "printer",
    "must be a host name: labels of letters, digits and '-'",
)
simple_name = _matches(
    r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?",
    "eth0",
    "must be at most 63 of letters, digits, '.', '_' and '-'",
)
netns_name = _matches(
    r"(?!\.{1,2}$)[A-Za-z0-9_.@+-]{1,255}", "app1", "must be the name of a file in /run/netns"
)
container_name = _matches(
    r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,199}",
    "app1",
    "must be a container's name or id: 2 to 200 of letters, digits, '_', '.' and '-', the first a letter or digit",
)


def link_name(value: object) -> str:
    """Read the name of a network interface by the kernel's rules (``dev_valid_name``) and ours."""
    written = text(value, "eth0")
    if len(written.encode()) > 15:
        raise ValueError(
            f"'{written}' is {len(written.encode())} bytes long; the kernel takes interface names of at most 15"
        )
    # The kernel takes nearly anything, but '%' makes it number the name, ':' marks an old-style alias, and others mean
    # something to shells or part our aliases.  The sysctl tree owns "all" and "default".
    if not re.fullmatch(r"[A-Za-z0-9_.@+-]+", written):
        raise ValueError(
            f"'{written}' must be an interface name of letters, digits and any of . _ - + @, for example eth0"
        )
    if written in {".", "..", "lo", "all", "default"}:
        raise ValueError(
            f"'{written}' is taken by the kernel; choose another interface name, for example eth0"
        )
    return written


_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """Return the seconds of a duration such as ``1h`` that `lease_time` has accepted."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def lease_time(value: object) -> str:
    """Read a duration between the DHCP server's minimum of two minutes and a year."""
    written = str(value) if type(value) is int else text(value, "1h")
    if written.isdecimal():
        raise ValueError(f"'{written}' needs a unit (s, m, h or d), for example 1h")
    if not _DURATION.fullmatch(written):
        raise ValueError(f"'{written}' must be a whole number and a unit (s, m, h or d), for example 1h")
    if not 120 <= seconds(written) <= 365 * 86400:
        raise ValueError(
            f"'{written}' must be at least 2m, the shortest lease that the DHCP server gives, and at most 365d"
        )
    return written


def duid(value: object) -> str:
    """Read a DHCP unique identifier (RFC 8415, 11): 3 to 130 bytes in hexadecimal; give it in lower case."""
    example = "00:03:00:01:02:16:3e:00:00:01"
    written = text(value, example)
    found = written.lower().replace("-", ":")
    if re.fullmatch(r"([0-9a-f]{2}){3,130}", found):
        found = bytes.fromhex(found).hex(":")
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){2,129}", found):
        raise ValueError(
            f"'{written}' must be a DHCP unique identifier in hexadecimal, for example {example}"
        )
    return found


ETHER_TYPES = {
    "profinet": 0x8892,
    "ethercat": 0x88A4,
    "powerlink": 0x88AB,
    "goose": 0x88B8,
    "sv": 0x88BA,
    "ptp": 0x88F7,
    "hsr": 0x892F,
    "pppoe-discovery": 0x8863,
    "pppoe": 0x8864,
    "lldp": 0x88CC,
    "eapol": 0x888E,
}
"""Names of protocols directly above Ethernet (IANA, IEEE 802 numbers)."""


_NOT_LISTED = {
    **dict.fromkeys((0x0800, "ip", "ipv4"), "IPv4 always passes as far as the access list lets it"),
    **dict.fromkeys((0x86DD, "ip6", "ipv6"), "IPv6 always passes as far as the access list lets it"),
    **dict.fromkeys((0x0806, "arp"), "ARP always passes"),
    **dict.fromkeys((0x8100, 0x88A8, 0x9100, "vlan"), "tags of VLANs are the affair of 'vlan'"),
}


def ether_type(value: object) -> int:
    """Return an EtherType, given by name or number; below 1536 the field is a length (IEEE 802.3, 3.2.6)."""
    word = value.lower() if isinstance(value, str) else value
    if isinstance(word, str | int) and word in _NOT_LISTED:
        raise ValueError(f"{_written(value)}: {_NOT_LISTED[word]}; leave it out")
    if isinstance(word, str) and word in ETHER_TYPES:
        return ETHER_TYPES[word]
    if type(value) is int and 0x0600 <= value <= 0xFFFF:
        return value
    if isinstance(word, str) and re.fullmatch(r"0x[0-9a-f]{4}|[0-9]{4,5}", word):
        raise ValueError(f"'{value}' is text; write the number without quotes: {value}")
    raise ValueError(
        f"{_written(value)} is no EtherType; write a number from 0x0600 to 0xffff, or one of {', '.join(ETHER_TYPES)}"
    )


LINK_LOCAL_GROUPS = {"lldp": 14, "eapol": 3}
_NOT_CHOSEN = {
    **dict.fromkeys(
        (0, "stp"),
        "the spanning tree: it passes where the switch does not speak it itself, and never where it does",
    ),
    **dict.fromkeys((1, "pause"), "pause frames, which the kernel never forwards"),
    **dict.fromkeys((2, "lacp"), "link aggregation, which the kernel never forwards"),
}


def link_local_group(value: object) -> int:
    """Return the last digit of a group address 01:80:c2:00:00:0X that a bridge may forward when told.

    Not 0 to 2 (spanning tree, pause, link aggregation): the kernel never does (BR_GROUPFWD_RESTRICTED, br_private.h).
    """
    word = value.lower() if isinstance(value, str) else value
    if isinstance(word, str) and word in LINK_LOCAL_GROUPS:
        return LINK_LOCAL_GROUPS[word]
    if type(value) is int and 3 <= value <= 15:
        return value
    if isinstance(word, str | int) and not isinstance(word, bool) and word in _NOT_CHOSEN:
        raise ValueError(f"{_written(value)} is {_NOT_CHOSEN[word]}; leave it out")
    raise ValueError(
        f"{_written(value)} is no protocol that a bridge can forward; write lldp, eapol, or a number from 3 to 15"
    )


def vlan_id(value: object) -> int:
    """Return the number of a VLAN (IEEE 802.1Q, 9.6: 0 and 4095 are none)."""
    if type(value) is not int:
        raise ValueError(f"{_written(value)} is no VLAN; write a number from 1 to 4094")
    if value == 0:
        raise ValueError("a tag of 0 is no VLAN, only a priority; write 1 to 4094, or leave 'vlan' out")
    if not 1 <= value <= 4094:
        why = "4095 is reserved" if value == 4095 else f"there is no VLAN {value}"
        raise ValueError(f"{why}; write 1 to 4094")
    return value


def _written(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"'{value}'"
    return str(value).lower() if isinstance(value, bool | int | float) else f"a {_kind(value)}"


def file_path(value: object) -> str:
    """Read an absolute path."""
    written = text(value, "/etc/netnsmgr/secrets/ni4.psk")
    if not re.fullmatch(r"/[^\x00-\x1f]*[^\x00-\x1f/]", written):
        raise ValueError(f"'{written}' must be an absolute path, for example /etc/netnsmgr/secrets/ni4.psk")
    return written


def duration(value: object) -> str:
    """Read a duration between ten seconds and a year."""
    written = str(value) if type(value) is int else text(value, "1h")
    if not _DURATION.fullmatch(written):
        raise ValueError(f"'{written}' must be a whole number and a unit (s, m, h or d), for example 1h")
    if not 10 <= seconds(written) <= 365 * 86400:
        raise ValueError(f"'{written}' must be at least 10s, and at most 365d")
    return written

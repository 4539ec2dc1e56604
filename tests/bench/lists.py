"""Access lists of typical shapes, as rules of netnsmgr and as a chain of nft rules that a person would write.

Only the last rule fits what the benchmark sends; the ones before it are about other addresses.
"""

from __future__ import annotations

from typing import Any, Literal

Shape = Literal["prefix and port", "address and port", "prefix"]
SHAPES: tuple[Shape, ...] = ("prefix and port", "address and port", "prefix")
GATEWAY = "192.168.0.1"
ALLOWED = 9
"""A UDP port of the gateway."""
DENIED = "172.16.0.1"
"""An address that no rule is about."""
IPERF = 5201
_PORTS = (22, 53, 80, 123, 443, 514, 1883, 5000, 8080, 8883)

Rule = dict[str, Any]


def rules(shape: Shape, count: int, *, port: int = ALLOWED) -> list[Rule]:
    """Return a list of ``count`` rules, the last of which allows UDP to the gateway's port."""
    found = [{"id": n, "match": _other(shape, n)} for n in range(1, count)]
    return [*found, {"id": count, "match": _last(shape, port)}]


def chain(shape: Shape, count: int, *, port: int = ALLOWED) -> str:
    """Return the table that a person would write for the same: a linear chain, as a file for ``nft -f``."""
    lines = "\n".join(_line(rule["match"]) for rule in rules(shape, count, port=port))
    return f"""
table inet filter
delete table inet filter
table inet filter {{
    chain forward {{
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname "bn0" goto out
    }}
    chain out {{
{lines}
        tcp dport {IPERF} accept
        drop
    }}
}}
"""


def _other(shape: Shape, number: int) -> Rule:
    high, low = divmod(number, 250)
    port = {"protocol": "udp", "fport": _PORTS[number % len(_PORTS)]}
    match shape:
        case "prefix and port":
            return {"ip": f"10.{100 + high}.{low}.0/24", **port}
        case "address and port":
            return {"ip": f"10.{100 + high}.{low}.7", **port}
        case "prefix":
            # Nothing in one is beside another, so that none can be joined.
            return {"ip": f"10.{100 + high}.{low}.64/26"}


def _last(shape: Shape, port: int) -> Rule:
    match shape:
        case "prefix and port":
            return {"ip": "192.168.0.0/24", "protocol": "udp", "fport": port}
        case "address and port":
            return {"ip": GATEWAY, "protocol": "udp", "fport": port}
        case "prefix":
            return {"ip": "192.168.0.0/26"}


def _line(match: Rule) -> str:
    port = f" {match['protocol']} dport {match['fport']}" if "fport" in match else ""
    return f"ip daddr {match['ip']}{port} accept"

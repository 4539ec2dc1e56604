"""Tunnels as ``get``, ``describe`` and ``wireguard peer list`` show them: lines of text from an instance's status; pure but for the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from netnsmgr.cli import output

if TYPE_CHECKING:
    from netnsmgr.cli.clients import Server

Row = Mapping[str, Any]
PEER_HEADINGS = "TUNNEL PEER STATE HANDSHAKE ENDPOINT RX TX ALLOWED-IPS"


def brief(row: Row) -> str:
    """Return each tunnel of an instance with its state, and how many of its peers or children are up; empty if there is none."""
    vpn = row.get("vpn") or {}
    words = []
    for kind, parts in (("wireguard", "peers"), ("ipsec", "children")):
        for each in vpn.get(kind) or ():
            found = each.get(parts) or ()
            up = sum(part.get("state") == "up" for part in found)
            words.append(f"{each.get('name', '?')}:{each.get('state', '?')}({up}/{len(found)})")
    return ",".join(words)


def described(row: Row) -> Iterator[str]:
    """Yield the lines that tell all of an instance's tunnels."""
    vpn = row.get("vpn") or {}
    for each in vpn.get("wireguard") or ():
        yield from _wireguard(each)
    for each in vpn.get("ipsec") or ():
        yield from _ipsec(each)
    if vpn.get("cost"):
        yield f"cost: {vpn['cost']}"


def _wireguard(tunnel: Row) -> Iterator[str]:
    yield f"{tunnel.get('name', '?')}: {output.state_word(str(tunnel.get('state', 'pending')))}, WireGuard by {tunnel.get('backend') or '?'}"
    yield from _reasons(tunnel)
    told = {
        "public key": tunnel.get("publicKey"),
        "addresses": _join(tunnel.get("addresses")),
        "listens at": f"UDP port {tunnel['listenPort']}" if tunnel.get("listenPort") else "",
        "mtu": tunnel.get("mtu"),
    }
    yield from (f"  {name}: {value}" for name, value in told.items() if value)
    for peer in tunnel.get("peers") or ():
        yield (
            f"  peer {peer.get('name', '?')}: {output.state_word(str(peer.get('state', 'pending')))}, "
            f"{peer.get('endpoint') or 'no endpoint'}, {_handshake(peer)}, {_traffic(peer)}"
        )
        if peer.get("allowedIps"):
            yield f"    for {_join(peer['allowedIps'])}"


def _ipsec(connection: Row) -> Iterator[str]:
    remote = " ".join(map(str, filter(None, (connection.get("remote"), _bracketed(connection)))))
    yield (
        f"{connection.get('name', '?')}: {output.state_word(str(connection.get('state', 'pending')))}, "
        f"IPsec by {connection.get('backend') or '?'}, to {remote or '?'}"
    )
    yield from _reasons(connection)
    since = connection.get("established")
    told = {
        "last error": connection.get("error"),
        "identities": " and ".join(
            map(str, filter(None, (connection.get("localId"), connection.get("remoteId"))))
        ),
        "established": output.time_of(since) if isinstance(since, (int, float)) else "",
        "ike": connection.get("ike"),
        "virtual addresses": _join(connection.get("virtual")),
        "dns servers": _join(connection.get("dns")),
    }
    yield from (f"  {name}: {value}" for name, value in told.items() if value)
    for child in connection.get("children") or ():
        yield (
            f"  child {child.get('name', '?')}: {output.state_word(str(child.get('state', 'pending')))}, "
            f"{_join(child.get('local')) or '?'} ↔ {_join(child.get('remote')) or '?'}, {_traffic(child)}"
        )
        more = [str(child["esp"])] if child.get("esp") else []
        age = time.time() - child["installed"] if isinstance(child.get("installed"), (int, float)) else None
        if age is not None:
            more.append(f"installed {output.span(age)} ago")
        if age is not None and child.get("rekey"):
            more.append(f"new keys in {output.span(child['rekey'] - age)}")
        if child.get("remark"):
            more.append(str(child["remark"]))
        if more:
            yield f"    {', '.join(more)}"


def _bracketed(connection: Row) -> str:
    address = connection.get("remoteAddress")
    return f"({address})" if address and address != connection.get("remote") else ""


def _reasons(tunnel: Row) -> Iterator[str]:
    yield from (f"  because {reason}" for reason in tunnel.get("reasons") or ())


def peer_row(tunnel: Row, written: Row) -> Row:
    """Return what the status says of a peer; empty if nothing."""
    rows = tunnel.get("peers") or ()
    return next((row for row in rows if row.get("name") == written["name"]), {})


def peer_lines(server: Server) -> Iterator[list[str]]:
    """Yield a line of the list for each peer of a tunnel."""
    for written in server.peers:
        row = peer_row(server.row, written)
        yield [
            str(server.tunnel["name"]),
            str(written["name"]),
            str(row.get("state") or "pending"),
            _handshake(row).removeprefix("handshake ").removeprefix("no handshake yet") or "-",
            str(row.get("endpoint") or written.get("endpoint") or "-"),
            size(row.get("rx")),
            size(row.get("tx")),
            _join(written.get("allowedIps")),
        ]


def _handshake(peer: Row) -> str:
    when = peer.get("handshake")
    if not isinstance(when, (int, float)) or not when:
        return "no handshake yet"
    return f"handshake {output.span(time.time() - when)} ago"


def _traffic(row: Row) -> str:
    return f"{size(row.get('rx'))} in, {size(row.get('tx'))} out"


def size(count: Any) -> str:
    """Return a number of bytes as people write it: 512 B, 3.4 KiB, 12 MiB."""
    if not isinstance(count, (int, float)):
        return "-"
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _join(values: Any) -> str:
    return ", ".join(map(str, values or ()))

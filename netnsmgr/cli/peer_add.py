"""``netnsmgr wireguard peer add``: a client of a WireGuard server, from its key to its file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.objects import TABLES, complete_instances
from netnsmgr.cli.options import timeout_option
from netnsmgr.cli.peers import put, server_of, wait
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import DEVICE, INSTANCE
from netnsmgr.client.readiness import Rows
from netnsmgr.errors import ConfigError, NetnsmgrError, Problem

if TYPE_CHECKING:
    from netnsmgr.cli.clients import Server

KEEPALIVE = 25
"""Seconds that the flow of a client behind a NAT stays (wg(8), PersistentKeepalive)."""


@click.command("add")
@click.argument("instance", metavar="NI", shell_complete=complete_instances)
@click.argument("tunnel", metavar="TUNNEL")
@click.argument("name", metavar="NAME")
@click.option("--qr", is_flag=True, help="Show the client's file as QR code, too, for a telephone.")
@click.option(
    "--address",
    "given",
    multiple=True,
    help="Address of the client in the tunnel (may be repeated). Default: a free one.",
)
@click.option(
    "--endpoint", help="Where clients find the server: HOST[:PORT]. Default: a public address of its port."
)
@click.option(
    "--allowed-ips",
    "allowed",
    multiple=True,
    metavar="NETWORK",
    help="What the client sends into the tunnel (may be repeated). Default: the tunnel's network and the instance's subnets.",
)
@click.option(
    "--dns",
    multiple=True,
    metavar="ADDRESS",
    help="DNS server for the client (may be repeated). Default: none.",
)
@click.option(
    "--keepalive",
    type=click.IntRange(0, 65535),
    default=KEEPALIVE,
    show_default=True,
    help="Seconds between packets that keep a NAT's flow; 0: none.",
)
@click.option(
    "--public-key", metavar="KEY", help="Of a key pair that the client has made itself. Default: a new pair."
)
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(dir_okay=False),
    help="Where to write the client's file. Default: standard output.",
)
@click.option("--takeover", is_flag=True, help="Change also an instance that another program configured.")
@timeout_option()
@pass_place
def add(
    place: Place,
    instance: str,
    tunnel: str,
    name: str,
    qr: bool,
    given: tuple[str, ...],
    endpoint: str | None,
    allowed: tuple[str, ...],
    dns: tuple[str, ...],
    keepalive: int,
    public_key: str | None,
    path: str | None,
    takeover: bool,
    timeout: float,
) -> int:
    """Add the client NAME to TUNNEL of the network instance NI, and print its configuration file, for wg-quick.

    \b
    netnsmgr wireguard peer add ni4 wg0 phone --endpoint vpn.example.com --qr

    The file holds the client's private key, which is kept nowhere else: it is printed this once.
    """
    from netnsmgr.cli.clients import Client
    from netnsmgr.cli.private import write_new

    if qr and public_key is not None:
        raise click.UsageError("a QR code is of use only with the private key in it: leave --public-key out")
    wish = _Wish(given, endpoint, allowed, dns, public_key)
    with Daemon(place) as daemon:
        rows = daemon.rows(*TABLES)
        server = server_of(rows, instance, tunnel)
        addresses, host, port = wish.judge(server, name, rows)
        server_key = _public_key(daemon, server, timeout)
        if public_key is None:
            from netnsmgr.kernel.wireguard_keys import pair

            private, public = pair()
        else:
            private, public = None, public_key
        networks = wish.networks or [n for n in server.behind if n.version in {a.version for a in addresses}]
        client = Client(name, public, private, addresses, host, port, networks, wish.servers, keepalive)
        text = client.file(server, server_key)
        if path is not None:
            write_new({path: text})
        try:
            revision = put(daemon, server, [*server.peers, client.peer()], takeover=takeover)
        except ConfigError:
            # Refused; of any other failure nobody knows whether the peer is there, and its key is in that file alone.
            if path is not None:
                os.unlink(path)
            raise
        if path is None:
            click.echo(text, nl=False, color=False)
        if qr:
            _draw(text)
        _keep(server, client.peer())
        return wait(daemon, server, revision, name, timeout)


class _Wish:
    """What is said of a client, read; what cannot be read is a UsageError."""

    def __init__(
        self,
        given: Sequence[str],
        endpoint: str | None,
        allowed: Sequence[str],
        dns: Sequence[str],
        public_key: str | None,
    ) -> None:
        from netnsmgr.config import addresses, tunnel

        try:
            self.addresses = [
                addresses.address(each.removesuffix("/32").removesuffix("/128")) for each in given
            ]
            self.networks = [addresses.network(each) for each in allowed]
            self.servers = [addresses.address(each) for each in dns]
            self.host, self.port = _endpoint(endpoint) if endpoint is not None else ("", 0)
            if public_key is not None:
                try:
                    tunnel.wireguard_key(public_key)
                except ValueError as error:
                    raise ValueError(f"--public-key {error}") from None
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        self._public_key = public_key

    def judge(self, server: Server, name: str, rows: Rows) -> tuple[list[Any], str, int]:
        """Return the client's addresses, and host and port of the server; raises ConfigError with all that is missing."""
        from netnsmgr.cli.clients import free_addresses, in_use, public_addresses

        wrong = []
        names = [each["name"] for each in server.peers]
        if name in names:
            wrong.append(
                f"{server.label} has a peer {name!r} already; remove it first, or choose another name"
            )
        holder = next((p["name"] for p in server.peers if p["publicKey"] == self._public_key), None)
        if holder:
            wrong.append(f"peer {holder} of {server.label} has this public key already")
        wrong += in_use(server, self.addresses)
        addresses = self.addresses or free_addresses(server)
        if not addresses and not server.own:
            wrong.append(
                f"{server.label} has no addresses of its own: write, for example, 'addresses: [10.9.0.1/24]' at "
                f"{server.where}"
            )
        elif not addresses:
            room = ", ".join(str(each.network) for each in server.own)
            wrong.append(
                f"{server.label} has no address left in {room}; say --address, or make the network larger"
            )
        port = self.port or server.tunnel.get("listenPort") or 0
        if not server.tunnel.get("listenPort"):
            wrong.append(
                f"{server.label} has no listenPort, at which clients find it: write, for example, "
                f"'listenPort: 51820' at {server.where}"
            )
        host = self.host
        if not host:
            devices, written = rows[DEVICE.status].values(), rows[DEVICE.config].values()
            public = public_addresses(server.document, devices, written)
            if public:
                host = public[0][1]
                output.say(
                    f"endpoint: {host}, the address of {public[0][0]}; --endpoint says another", err=True
                )
            else:
                wrong.append(
                    "no port of the instance has a public address: say by which name or address clients reach the "
                    "device, --endpoint HOST[:PORT]"
                )
        if wrong:
            raise ConfigError([Problem(each) for each in wrong])
        return addresses, host, port


def _endpoint(text: str) -> tuple[str, int]:
    """Read ``HOST[:PORT]``; a port that is not said is 0."""
    from netnsmgr.config import tunnel

    if text.count(":") == 1 or "]:" in text:
        return tunnel.endpoint(text)
    return tunnel.host(text.removeprefix("[").removesuffix("]")), 0


def _public_key(daemon: Daemon, server: Server, timeout: float) -> str:
    """Return the server's public key, when its agent says it."""
    from netnsmgr.cli.clients import tunnels

    reasons: tuple[str, ...] = ()
    for rows, _ in daemon.watch(INSTANCE.status, timeout=timeout):
        status = rows[INSTANCE.status].get(server.instance, {})
        reasons = tuple(status.get("reasons") or ())
        for each in tunnels(server.instance, server.document, status):
            if each.tunnel["name"] == server.tunnel["name"] and each.row.get("publicKey"):
                return str(each.row["publicKey"])
    why = "; ".join(reasons) or "its agent has not said it"
    raise NetnsmgrError(
        f"the public key of {server.label} is not known yet, so no client could call it: {why}"
    )


def _draw(text: str) -> None:
    """Show a client's file as QR code: on standard error, because standard output is the file itself."""
    import io

    import segno

    # Comments would only make it larger.
    text = "".join(line for line in text.splitlines(keepends=True) if line[0] not in "#\n")
    drawn = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(drawn, compact=True)
    for line in drawn.getvalue().splitlines():
        # In black and white whatever the terminal's colours are: not every camera reads the negative.
        output.say(click.style(line, fg="bright_white", bg="black"), err=True)


def _keep(server: Server, written: dict[str, Any]) -> None:
    """Say what the user's own file lacks from now on."""
    output.say(
        f"so that the next apply keeps it, add to the file of {server.instance}, at {server.where}.peers:",
        err=True,
    )
    for line in output.yaml_text([written]).splitlines():
        output.say(f"  {line}", err=True)

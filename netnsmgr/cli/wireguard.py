"""``netnsmgr wireguard``: keys, and the peers of a tunnel that clients call."""

from __future__ import annotations

import os

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.objects import TABLES, complete_instances
from netnsmgr.cli.options import timeout_option
from netnsmgr.cli.peer_add import add
from netnsmgr.cli.peers import put, server_of, servers_of, wait
from netnsmgr.cli.place import Place, pass_place


@click.group("wireguard")
def command() -> None:
    """Make keys, and add, list or remove the peers of a WireGuard server."""


@command.command("key")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--preshared", is_flag=True, help="Make a preshared key, for both ends, instead of a private one."
)
def key(file: str, preshared: bool) -> None:
    """Make a private key in FILE, which only its owner can read, and print its public key.

    If FILE is there already, it stays, and its public key is printed.
    """
    from netnsmgr.cli.private import read, write_new
    from netnsmgr.kernel import wireguard_keys

    there = os.path.exists(file)
    if not there:
        write_new({file: f"{wireguard_keys.preshared() if preshared else wireguard_keys.pair().private}\n"})
    if preshared:
        output.say(f"{file} {'is there already' if there else 'written'}", err=True)
    else:
        click.echo(wireguard_keys.public_of(read(file).strip()), color=False)


@command.group("peer")
def peer() -> None:
    """Add, list or remove the peers of a tunnel."""


@peer.command("remove")
@click.argument("instance", metavar="NI", shell_complete=complete_instances)
@click.argument("tunnel", metavar="TUNNEL")
@click.argument("name", metavar="NAME")
@click.option("--takeover", is_flag=True, help="Change also an instance that another program configured.")
@timeout_option()
@pass_place
def remove(place: Place, instance: str, tunnel: str, name: str, takeover: bool, timeout: float) -> int:
    """Remove the peer NAME from TUNNEL of the network instance NI; from then on it is not answered."""
    with Daemon(place) as daemon:
        server = server_of(daemon.rows(*TABLES), instance, tunnel)
        there = [each["name"] for each in server.peers]
        if name not in there:
            raise click.UsageError(
                f"there is no peer {name!r} in {server.label}; those that exist: {', '.join(there) or 'none'}"
            )
        revision = put(daemon, server, [p for p in server.peers if p["name"] != name], takeover=takeover)
        output.say(f"peer {name} removed from {server.label}")
        output.say(
            f"remove it also from the file of {instance}: the next apply would bring it back", err=True
        )
        return wait(daemon, server, revision, name, timeout, there=False)


@peer.command("list")
@click.argument("instance", metavar="NI", shell_complete=complete_instances)
@click.argument("tunnel", metavar="[TUNNEL]", required=False)
@output.formats("table", "json", "yaml")
@pass_place
def list_(place: Place, instance: str, tunnel: str | None, fmt: str) -> None:
    """List the peers of the network instance NI, of all its tunnels or of one, with what they last did."""
    from netnsmgr.cli import tunnels as drawn

    with Daemon(place) as daemon:
        rows = daemon.rows(*TABLES)
    servers = servers_of(rows, instance)
    if tunnel is not None:
        servers = [server_of(rows, instance, tunnel)]
    if fmt != "table":
        items = [
            {"tunnel": each.tunnel["name"], **written, "status": dict(drawn.peer_row(each.row, written))}
            for each in servers
            for written in each.peers
        ]
        output.data({"kind": "List", "items": items}, fmt)
        return
    lines = [line for each in servers for line in drawn.peer_lines(each)]
    if lines:
        output.table(drawn.PEER_HEADINGS.split(), lines)
    else:
        output.say("there are no peers", err=True)


peer.add_command(add)

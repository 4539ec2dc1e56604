"""``netnsmgr why``: which rule decides on a flow, where it goes, and the proof by a packet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import click

from netnsmgr.cli import output
from netnsmgr.cli import target as read
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.inside import Inside, search_list
from netnsmgr.cli.objects import TABLES, complete_apps, known
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import APP, INSTANCE
from netnsmgr.errors import KernelError
from netnsmgr.pubsub.tables import link_status

if TYPE_CHECKING:
    from netnsmgr.config.app import App, AppInterface
    from netnsmgr.features.acl.why import Known
    from netnsmgr.supervisor.site import Site
    from netnsmgr.supervisor.why_answer import Asked

Member = tuple["App", "AppInterface"]
ALLOWED, DENIED = 0, 1
DEVICE = "device"
"""The sender that is the device itself."""


@click.command("why")
@click.argument("app", shell_complete=complete_apps)
@click.option("--to", "to", metavar="TARGET", help="Where APP sends to: HOST[:PORT][/PROTOCOL].")
@click.option(
    "--from", "sender", metavar="SENDER", help="Who sends to APP: ADDRESS, APP or 'device', with [:PORT]."
)
@click.option("--to-port", metavar="PORT", help="The port of APP that is asked: PORT[/PROTOCOL], or icmp.")
@click.option("--interface", metavar="NAME", help="Of several interfaces of APP, the one to explain.")
@click.option(
    "--source-port", type=click.IntRange(1, 65535), help="The port to send from. Default: any high one."
)
@click.option(
    "--live", is_flag=True, help="Send a real packet and show by which rules the kernel lets it pass."
)
@output.formats("text", "json", default="text")
@pass_place
def command(
    place: Place,
    app: str,
    to: str | None,
    sender: str | None,
    to_port: str | None,
    interface: str | None,
    source_port: int | None,
    live: bool,
    fmt: str,
) -> int:
    """Say whether a flow of application APP passes: which rule decides, and where the flow goes.

    \b
    netnsmgr why app1 --to github.com:443
    netnsmgr why app1 --to 1.2.3.4/icmp
    netnsmgr why app1 --to '[2001:db8::1]:443'
    netnsmgr why app2 --from 192.168.0.9 --to-port 80/tcp

    HOST is a name or an address; the protocol is tcp if none is named; icmp is an echo request, by the IP version of HOST.
    Names are resolved by the instance's own DNS server, as the application would, which needs root. Exits with 0 if the
    flow is allowed and leads somewhere (over one of the interfaces shown), with 1 if not.
    """
    if (to is None) == (sender is None):
        raise click.UsageError(
            "say where to, or where from: --to github.com:443, or --from 192.168.0.9 --to-port 80/tcp"
        )
    if (sender is None) != (to_port is None):
        raise click.UsageError("--from and --to-port go together: --from 192.168.0.9 --to-port 80/tcp")
    target = read.target(to) if to is not None else None
    origin = (
        (*read.sender(sender), *read.ports(to_port)) if sender is not None and to_port is not None else None
    )
    with Daemon(place) as daemon:
        rows = daemon.rows(*TABLES)
        # What is delegated to an instance, and where its tunnels lead, stands nowhere else.
        rows |= daemon.rows(*(link_status(name) for name, row in rows[INSTANCE.config].items() if _told(row)))
    known(APP, app, rows)
    from netnsmgr.supervisor.site import Site

    site = Site(rows, place.run_dir)
    with Inside(place) as inside:
        question = _Question(site, inside, source_port)
        members = _members(site, app, interface)
        if target is not None:
            found = question.outbound(members, target)
        else:
            assert origin is not None
            found = question.inbound(members, origin)
        if live:
            from netnsmgr.cli.live import prove

            for answer in found:
                answer["live"] = prove(place, site, inside, answer)
    if fmt == "json":
        output.data({"kind": "Why", "answers": found}, fmt)
    else:
        from netnsmgr.cli.why_text import show

        for number, answer in enumerate(found):
            if number:
                output.say()
            show(answer)
    return ALLOWED if any(_passes(answer) for answer in found) else DENIED


def _told(instance: Mapping[str, Any]) -> bool:
    spec: Mapping[str, Any] = instance["spec"]
    return (spec.get("ipv6") or {}).get("uplink") in {"delegated", "npt"} or "vpn" in spec


def _passes(answer: Mapping[str, Any]) -> bool:
    """Whether a flow passes; where the kernel was asked, it knows best."""
    seen = (answer.get("live") or {}).get("allowed")
    return bool(answer["allowed"]) if seen is None else bool(seen) and not answer["reason"]


def _members(site: Site, app: str, interface: str | None) -> list[Member]:
    document = site.config.apps.get(app)
    if document is None:
        raise click.UsageError(f"app {app!r} is being deleted")
    there = [each.name for each in document.spec.interfaces]
    if interface is not None and interface not in there:
        raise click.UsageError(f"app {app!r} has no interface {interface!r}; it has: {', '.join(there)}")
    found = [each for each in site.members(document) if interface is None or each[1].name == interface]
    if not found:
        raise click.UsageError(f"app {app!r} is in no network that exists: netnsmgr describe app {app}")
    return found


class _Question:
    def __init__(self, site: Site, inside: Inside, source_port: int | None) -> None:
        from netnsmgr.supervisor.why_answer import SOURCE_PORT

        self._site, self._inside = site, inside
        self._source_port = source_port or SOURCE_PORT

    def outbound(self, members: list[Member], target: read.Target) -> list[dict[str, Any]]:
        """Answer for each interface over which the target can be reached; for all if none can."""
        from netnsmgr.supervisor import why
        from netnsmgr.supervisor.why_answer import NOBODY4, Asked

        near = [
            m
            for m in members
            if target.address
            and any(target.address in net.subnet for net in self._site.scope(m[1].network).nets)
        ]
        answers, unknown = [], []
        for member in near or members:
            addresses, notes = self._addresses(member, target)
            if addresses is not None and not addresses:
                unknown.append(member[1].network)
                continue
            name = "" if target.address is not None else target.host
            answered = []
            for address in why.in_order(self._site, member, addresses or [NOBODY4]):
                asked = Asked(address, target.protocol, target.port, self._source_port, name).to(address)
                knowledge = self._known(member, name, placeholder=addresses is None, notes=notes)
                answered.append(why.outbound(self._site, member, asked, knowledge))
            first, *others = answered
            first["notes"] = list(dict.fromkeys([*notes, *first["notes"]]))
            first["others"] = [
                {"dst": other["flow"]["dst"]}
                | {key: other[key] for key in ("allowed", "verdict", "service", "lists", "reason")}
                for other in others
            ]
            answers.append(first)
        if not answers:
            raise click.UsageError(
                f"there is no host {target.host!r}, as the DNS of {', '.join(unknown)} says"
            )
        return [answer for answer in answers if not answer["reason"]] or answers

    def inbound(
        self, members: list[Member], origin: tuple[str, int | None, int, int]
    ) -> list[dict[str, Any]]:
        """Answer for each interface at which the flow can arrive; for all if there is none."""
        from netnsmgr.supervisor.why_answer import NOBODY4, Asked

        host, port, protocol, number = origin
        address = _literal(host)
        answers = []
        for member in members:
            scope = self._site.scope(member[1].network)
            nets = [net for net in scope.nets if address is None or net.version == address.version]
            # Of an address the version is known, be it one that the network has not.
            inner = scope.inner if scope.links else NOBODY4
            for asks in [net.gateway for net in nets] or [address or inner]:
                asked = Asked(asks, protocol, number, port or self._source_port).to(asks)
                answers.append(self._from(member, host, asked))
        return [answer for answer in answers if not answer["reason"]] or answers

    def _from(self, member: Member, host: str, asked: Asked) -> dict[str, Any]:
        from netnsmgr.supervisor import why_in

        scope = self._site.scope(member[1].network)
        address, peer = _literal(host), self._peer(host, member)
        if host == DEVICE or address in {ends.outer for ends in scope.links}:
            return why_in.from_device(self._site, member, asked)
        knowledge = self._known(member, "", placeholder=False, notes=[])
        if peer is not None:
            return why_in.between(self._site, peer, member, asked, knowledge)
        if address is not None:
            return why_in.inbound(self._site, member, asked, address, knowledge)
        there = ", ".join(self._site.config.apps)
        raise click.UsageError(
            f"{host!r} is neither an address nor an application; applications: {there}; the device itself: device"
        )

    def _addresses(
        self, member: Member, target: read.Target
    ) -> tuple[Sequence[read.Address] | None, list[str]]:
        """Return the addresses of a target (none: it is known to have none; None: nobody could ask), and notes."""
        if target.address is not None:
            return [target.address], []
        network = member[1].network
        scope = self._site.scope(network)
        names = search_list(target.host.lower(), scope.instance.domain)
        reason = self._inside.why_not(network)
        if scope.instance.is_switch:
            reason = f"{network} is a switch, and has no DNS server of its own"
        if reason:
            fixed = self._own_names(member, names)
            if fixed:
                return fixed, []
            return None, [
                f"{target.host} was not resolved and is compared with host rules by its name: {reason}"
            ]
        try:
            server = next((str(net.gateway) for net in scope.nets), "")
            types = [{4: "A", 6: "AAAA"}[net.version] for net in scope.nets]
            said = self._inside.ask(network, {"names": names, "server": server, "types": types})
        except KernelError as error:
            return None, [
                f"{target.host} was not resolved and is compared with host rules by its name: {error}"
            ]
        return [ip_address(each) for each in said["addresses"] or ()], []

    def _own_names(self, member: Member, names: Sequence[str]) -> Sequence[read.Address]:
        from netnsmgr.features.names import static_addresses

        scope = self._site.scope(member[1].network)
        for name in names:
            if found := static_addresses(scope, name.rstrip(".")):
                return sorted(found)
        return []

    def _known(self, member: Member, name: str, *, placeholder: bool, notes: list[str]) -> Known:
        """Return what the kernel knows of the host rules of the member's network."""
        from netnsmgr.features.acl.why import Known
        from netnsmgr.features.names import domains, host_sets

        network = member[1].network
        wanted = domains(self._site.scope(network))
        if not wanted:
            return Known({}, name, placeholder)
        sets = {host_sets(domain, family)[0]: domain for domain in wanted for family in (4, 6)}
        try:
            said = self._inside.ask(network, {"sets": list(sets)})["sets"]
        except KernelError as error:
            if not notes:
                notes.append(f"addresses of host rules are not known: {error}")
            return Known(None, name, placeholder)
        hosts: dict[str, set[Any]] = {domain: set() for domain in wanted}
        for set_, found in said.items():
            hosts[sets[set_]].update(map(ip_address, found))
        return Known(None if placeholder else hosts, name, placeholder)

    def _peer(self, host: str, member: Member) -> Member | None:
        """Return the application that a sender is: by its name, or by its address in the member's network."""
        from netnsmgr.supervisor.why import holder

        scope = self._site.scope(member[1].network)
        address = _literal(host)
        if address is not None:
            return holder(scope, address)
        if (document := self._site.config.apps.get(host)) is None:
            return None
        there = self._site.members(document)
        near = [each for each in there if each[1].network == member[1].network]
        return (near or there)[0] if there else None


def _literal(host: str) -> read.Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None

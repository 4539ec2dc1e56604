"""The agent of a network instance: what it intends in its namespace and what it tells of it."""

from __future__ import annotations

import os
import time
from typing import Any

from netnsmgr.agent.ipsec import IpsecWatch
from netnsmgr.agent.learner import Learner
from netnsmgr.agent.memory import LinkMemory, NumberMemory
from netnsmgr.agent.reconciler import RUNNING, Outcome
from netnsmgr.agent.seen import link_words, seen_of
from netnsmgr.agent.status import addresses, complete, items_of, reasons, troubled
from netnsmgr.agent.vpn import VpnWatch
from netnsmgr.agent.wireguard import WireguardWatch
from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.item import Item, Ref
from netnsmgr.features import dns64, dnsmasq, names, nat64, portmap_inside, radvd, vif
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.instance import frames, intent
from netnsmgr.features.link import UPLINK
from netnsmgr.features.rows import instance_scope, lease_file
from netnsmgr.features.scope import GONE, InstanceScope, Intent
from netnsmgr.features.switch import status as switch_status
from netnsmgr.items.lease import Lease, parse
from netnsmgr.kernel import reach
from netnsmgr.kernel.namespace import pin_path
from netnsmgr.kernel.radvd import knows_pref64
from netnsmgr.kernel.system import KernelSystem
from netnsmgr.pubsub.tables import APP_STATUS, INSTANCE_STATUS, agent_config, link_status

WRITING = 0.1
"""Seconds after its last change in which the lease file may still be incomplete."""


def _dns(scope: InstanceScope) -> list[str]:
    """Return whom the instance's DNS server asks, or applications themselves on a switch; by tunnels not the ports' servers."""
    if scope.instance.spec.vpn is not None:
        return list(scope.dns_servers)
    return [str(server) for server in scope.instance.spec.dns.servers] or list(scope.link.dns)


def _backends(scope: InstanceScope) -> dict[str, str]:
    """Return which program does what for the instance's applications; IPv6 adds who advertises and who translates."""
    if scope.instance.is_switch:
        return {"metadata": "netnsmgr"}
    found = {"dhcp": "dnsmasq", "dns": "dnsmasq", "metadata": "netnsmgr"}
    if radvd.advertises(scope):
        found["ra"] = radvd.NAME
    if scope.instance.nat64_prefix is not None:
        found |= {"nat64": nat64.NAME, "dns64": dns64.NAME} | ({"pref64": radvd.NAME} if scope.pref64 else {})
    return found


def _link(scope: InstanceScope) -> dict[str, str]:
    """Return the ends of the link to the root namespace; those of IPv6 as `outer6` and `inner6`."""
    found: dict[str, str] = {}
    for ends in scope.links:
        suffix = "6" if ends.version == 6 else ""
        found |= {f"outer{suffix}": str(ends.outer), f"inner{suffix}": str(ends.inner)}
    return found


def _ipv6(instance: NetworkInstance) -> dict[str, Any]:
    """Return how IPv6 is in force, defaults filled in; nothing of it for an instance without."""
    if not instance.has_ipv6:
        return {}
    out = {} if instance.air_gapped else {"uplink": instance.spec.ipv6.uplink}
    found: dict[str, Any] = {"ipv6": {"addressing": instance.addressing, **out}}
    if instance.nat64_prefix is not None:
        found["nat64"] = str(instance.nat64_prefix)
    return found


class InstanceRole:
    """See ``agent.Role``; ``run_dir`` and ``state_dir`` are the daemon's."""

    def __init__(self, name: str, run_dir: str, state_dir: str) -> None:
        self._name = name
        self._run_dir = run_dir
        self._state_dir = state_dir
        self._lease_file = lease_file(state_dir, name)
        self._link = LinkMemory(f"{run_dir}/instances/{name}")
        self._numbers = NumberMemory(f"{run_dir}/instances/{name}")
        self.vpn = VpnWatch({"wireguard": WireguardWatch(), "ipsec": IpsecWatch()})
        self.learning = Learner(f"{run_dir}/instances/{name}", name)
        self.ipv6 = self.hears6 = False
        self._asked: tuple[object, ...] = ()
        self._scope: InstanceScope | None = None
        self._intent: Intent = {}
        self._deleting = False
        self._settled = 0
        """The last revision at which nothing that applications share was under way."""
        self._uplink_items: list[dict[str, Any]] = []
        self._containers: dict[str, str] = {}
        self._leases: tuple[Lease, ...] = ()
        self._seen: switch_status.Seen | None = None
        self._look: float | None = None
        self.tables: tuple[str, ...] = (link_status(name),)

    @property
    def lease_dir(self) -> str:
        """The directory whose changes say that a lease was given, renewed or lost."""
        return os.path.dirname(self._lease_file)

    def leases(self) -> tuple[Lease, ...]:
        """Return the leases that this pass knows of; none when dnsmasq is about to go with its instance.

        One reading for intent and observation: a lease given in between would look like one that nobody wants.
        """
        return () if self._deleting else self._leases

    def _read_leases(self) -> tuple[Lease, ...]:
        """Read them anew, unless dnsmasq is just writing: it empties the file first, and nobody has lost a lease."""
        self._look = None
        try:
            with open(self._lease_file, encoding="utf-8", errors="replace") as file:
                text = file.read()
                age = time.time() - os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            return ()
        found = tuple(parse(text, BRIDGE, Ref("process", dnsmasq.NAME)))
        if 0 <= age < WRITING and not set(self._leases) <= set(found):
            self._look = time.clock_gettime(time.CLOCK_BOOTTIME) + WRITING
            return self._leases
        return found

    async def intend(
        self, row: dict[str, Any], views: dict[str, dict[str, Any]], system: KernelSystem
    ) -> Intent:
        # Not there yet, if this agent is younger than what it is told of its link.
        told = views.get(link_status(self._name), {}).get("link")
        self._containers = views.get(agent_config(self._name), {}).get("containers", {})
        link = self._link.facts(told)
        self._uplink_items = (told or {}).get("items", [])
        leases = self._leases = self._read_leases()
        helpers = tuple(
            sorted(info for info in system.processes.running() if info.name.startswith(f"{names.NAME}-"))
        )
        links = await system.rtnl.links()
        index = links[UPLINK].ifindex if UPLINK in links else 0
        self._seen = await seen_of(row, link, system)
        mtus = switch_status.mtus(links, row.get("ports", ()), link.mtus) if self._seen else ()
        vpn = self.vpn.facts(row, link, links)
        while True:
            learned, told = self.learning.known(row)
            asked = (row, link, leases, helpers, learned, told, mtus, index, vpn)
            if self._scope is None or self._asked != asked:
                self._scope = instance_scope(
                    row,
                    link,
                    run_dir=self._run_dir,
                    state_dir=self._state_dir,
                    netns_inode=system.netns_inode,
                    python=reach.python(),
                    leases=leases,
                    learned=learned,
                    dns_told=told,
                    known=self._numbers.numbers,
                    pref64=row["instance"]["spec"].get("nat64") is not None and knows_pref64(),
                    helpers=helpers,
                    port_mtus=mtus,
                    uplink_index=index,
                    vpn=vpn,
                )
                self._numbers.keep(self._scope.numbers)
                # The metadata service of a switch has addresses of IPv6, too.
                self.ipv6 = self._scope.instance.has_ipv6 or self._scope.instance.is_switch
                self._intent, self._asked = intent(self._scope), asked
            # With a link that is gone, or an address that is now given to somebody, what was learned of it is past.
            if self.learning.keep(self._scope, links) == learned:
                self.vpn.follow(self._scope)
                return self._intent

    def next_look(self) -> float | None:
        """Return when the lease file will have been written; dnsmasq itself ends the leases that it gave."""
        return self._look

    def part(self) -> Intent:
        """Return what is left of an instance that is being deleted: first the filter alone, which outlives the links."""
        first, self._deleting = not self._deleting, True
        return {"": frames(self._scope)} if first and self._scope is not None else {}

    def released(self, row: dict[str, Any], views: dict[str, dict[str, Any]]) -> bool:
        """Say whether the uplink agent has let go of an instance that is being deleted.

        Until then it may put a port here once more, which would end with the namespace.
        """
        told = views.get(link_status(self._name), {}).get("link", {})
        return not row.get("switch") or (told.get("state") == GONE and told["revision"] >= row["revision"])

    def report(self, row: dict[str, Any], outcome: Outcome, *, busy: bool) -> list[tuple[str, str, Any]]:
        revision = row["revision"]
        if self._deleting or self._scope is None:
            deleting = {
                "name": self._name,
                "revision": revision,
                "state": "deleting",
                "reasons": reasons(outcome, outcome.states),
                "number": row["number"],
                "items": items_of(outcome, outcome.states),
            }
            return [(INSTANCE_STATUS, self._name, deleting)]
        scope, groups = self._scope, self._intent
        rows = [(INSTANCE_STATUS, self._name, self._instance_row(row, outcome, busy=busy))]
        # A list counts for established flows only when what all lists share has followed.
        own = (outcome.states.get(item.ref) for item in groups[""])
        if not any(item is not None and item.state in RUNNING.values() for item in own):
            self._settled = revision
        for app, interface in scope.interfaces:
            key = f"{self._name}/{vif.group(app, interface)}"
            items = groups[vif.group(app, interface)]
            rows.append((APP_STATUS, key, self._app_row(self._settled, app, interface, items, outcome)))
        return rows

    def _instance_row(self, row: dict[str, Any], outcome: Outcome, *, busy: bool) -> dict[str, Any]:
        assert self._scope is not None
        scope, instance = self._scope, self._scope.instance
        own = self._intent[""]
        apps = {item.ref for name, group in self._intent.items() if name for item in group}
        refs = {item.ref for item in own} | (outcome.states.keys() - apps)
        why = reasons(outcome, refs, link_words(scope))
        why += [reason for reason in scope.link.reasons if reason not in why]
        answered = scope.link.revision >= row["linkRevision"]
        if complete(outcome, own) and scope.link.state == "ready" and answered and not busy:
            state = "ready"
        elif troubled(outcome, refs) or scope.link.state == "degraded":
            state = "degraded"
        else:
            state = "reconciling"
        ports: list[Any] = list(instance.spec.ports)
        if self._seen is not None:
            ports = [switch_status.port_row(scope, port, self._seen) for port in scope.ports]
            why += switch_status.reasons(scope, self._seen)
            state = "degraded" if state == "ready" and switch_status.troubled(scope, self._seen) else state
        if trouble := self.vpn.reasons(scope):
            why += trouble
            state = "degraded" if state == "ready" else state
        return {
            "name": self._name,
            "revision": row["revision"],
            "state": state,
            "reasons": why,
            "number": row["number"],
            "netns": {"path": pin_path(self._name), "inode": scope.netns_inode},
            "type": instance.spec.type,
            "subnets": [str(net.subnet) for net in scope.nets],
            "gateways": [str(net.gateway) for net in scope.nets],
            "ports": ports,
            "dns": _dns(scope),
            "mtu": scope.mtu,
            **_ipv6(instance),
            "link": _link(scope),
            "backends": _backends(scope),
            **self.vpn.row(scope),
            "apps": len(scope.interfaces),
            "items": items_of(outcome, outcome.states),
            "uplinkItems": self._uplink_items,
        }

    def _app_row(
        self, revision: int, app: App, interface: AppInterface, items: list[Item], outcome: Outcome
    ) -> dict[str, Any]:
        assert self._scope is not None
        mac = interface.mac_for(app.name)
        refs = {item.ref for item in items}
        why = reasons(outcome, refs, vif.far_words(app, self._containers))
        why = [*why, *self.learning.remarks(self._scope, app, interface)]
        ready = complete(outcome, items)
        if not ready and not why:
            shared = reasons(outcome, (item.ref for item in self._intent[""]), link_words(self._scope))
            why = [f"waits for its network: {reason}" for reason in shared]
        failed = troubled(outcome, refs)
        if ready and self._seen is not None and (waits := self._seen.waits(vif.vif_name(app, interface))):
            # What is there but passes nothing is not what one waits for.
            why, ready, failed = [*why, waits], False, waits == switch_status.SHUT
        return {
            "app": app.name,
            "interface": interface.name,
            "network": self._name,
            "revision": revision,
            "state": "ready" if ready else "degraded" if failed else "pending",
            "reasons": why,
            "mac": mac,
            "vif": vif.vif_name(app, interface),
            "hostname": self._scope.hostnames[app.name, interface.name],
            "addresses": addresses(self._scope, app, interface),
            "portMaps": portmap_inside.rows(self._scope, app, interface),
        }

"""What the fork server does once, so that an agent need not: import everything, and rehearse.

The rehearsal runs the pure half of an agent's work on a made-up instance, so that whatever is compiled or cached on
first use (validators, message layouts, regular expressions) is there before the fork and shared.  It opens no socket.
Last it freezes what is there (``gc.freeze``): a garbage collection in an agent would otherwise write into the header of
every object that it shares with the fork server, and so copy the page that holds it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from ipaddress import IPv4Interface

import netnsmgr.agent.main
from netnsmgr.core.execute import execute
from netnsmgr.core.item import state
from netnsmgr.core.plan import Op, plan
from netnsmgr.features.instance import intent as instance_intent
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.rows import device_of, instance_scope, linked_instance, uplink_scope
from netnsmgr.features.scope import PortFacts
from netnsmgr.features.uplink import intent as uplink_intent
from netnsmgr.kernel import link_messages, nft, reach, syscalls
from netnsmgr.kernel.namespace import die_with_parent

DEVICE = {
    "apiVersion": "netnsmgr/v1alpha1",
    "kind": "Device",
    "metadata": {"name": "d"},
    "spec": {"ports": [{"name": "eth0", "addresses": ["192.0.2.2/24"], "gateways": ["192.0.2.1"]}]},
}
INSTANCE = {
    "apiVersion": "netnsmgr/v1alpha1",
    "kind": "NetworkInstance",
    "metadata": {"name": "i"},
    "spec": {"ports": ["eth0"], "subnets": ["192.0.2.0/24"], "dhcp": {"range": "192.0.2.50-192.0.2.60"}},
}
APP = {
    "apiVersion": "netnsmgr/v1alpha1",
    "kind": "App",
    "metadata": {"name": "a"},
    "spec": {"attach": {"netns": "a"}, "interfaces": [{"name": "eth0", "network": "i"}]},
}


async def _nothing(_: Op) -> None:
    return None


async def _rehearse() -> None:
    link = {"number": 0, "links": [["192.0.2.0", "192.0.2.1"]], "instance": INSTANCE, "linkRevision": 1}
    row = {**link, "apps": [APP], "hostnames": [["a", "eth0", "a"]], "device": DEVICE}
    scope = instance_scope(row, LinkFacts(), run_dir="/run", state_dir="/var/lib", netns_inode=1)
    facts = PortFacts("eth0", "eth0", present=True, addresses=(IPv4Interface("192.0.2.2/24"),))
    outside = uplink_scope(device_of(row), [facts], [linked_instance(link)], "/run", 1)
    for groups in (instance_intent(scope), uplink_intent(outside)):
        items = state(item for group in groups.values() for item in group)
        await execute(
            plan({}, items, frozenset(ref for ref, item in items.items() if item.external)), _nothing
        )


# By itself it would outlive a supervisor that is killed: it ends when nobody holds a certain pipe any more, and each of
# its own children does.  The next supervisor's agents would share their namespaces with the old ones for ever.
die_with_parent(signal.SIGKILL)
netnsmgr.agent.main.fork_server = os.getpid()
for _ in range(2):
    asyncio.run(_rehearse())
    link_messages.rehearse()
nft.rehearse()
syscalls.program()
syscalls.without_unix()
reach.hold()
gc.collect()
gc.freeze()
gc.disable()

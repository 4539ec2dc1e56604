"""One pass after another: observe, plan, execute, until nothing is left to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from netnsmgr.agent.drift import DriftWatch, Verdict
from netnsmgr.core.drift import Look, hold
from netnsmgr.core.execute import execute
from netnsmgr.core.item import Item, Ref, state
from netnsmgr.core.plan import Op, Verb, plan
from netnsmgr.errors import NetnsmgrError
from netnsmgr.features.scope import Intent
from netnsmgr.items.address import Address
from netnsmgr.items.bridge_port import BridgePort
from netnsmgr.items.file import Directory, File
from netnsmgr.items.flows import MappedFlows
from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.lease import Lease
from netnsmgr.items.led_flows import LedFlows, LedFlowsEnd
from netnsmgr.items.link import ExternalNetns, Link, LinkUp, link_ref
from netnsmgr.items.ndp_proxy import NdpProxy
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.port import PortItem
from netnsmgr.items.process import Process
from netnsmgr.items.route import Route
from netnsmgr.items.rule import LocalRule, Rule
from netnsmgr.items.sysctl import Sysctl
from netnsmgr.items.system import External, KernelItem
from netnsmgr.items.tunnel import Tunnel
from netnsmgr.items.wireguard import Wireguard
from netnsmgr.kernel.namespace import inode
from netnsmgr.kernel.system import KernelSystem

COMMON: tuple[type[KernelItem], ...] = (
    Link,
    PortItem,
    LinkUp,
    Address,
    Route,
    Forwarding,
    Sysctl,
    NftTable,
    NftSet,
    NftPart,
    MappedFlows,
    Directory,
    File,
    Process,
)
INSTANCE_KINDS: tuple[type[KernelItem], ...] = (
    *COMMON,
    Lease,
    BridgePort,
    Rule,
    Wireguard,
    LedFlows,
    LedFlowsEnd,
)
UPLINK_KINDS: tuple[type[KernelItem], ...] = (*COMMON, Rule, LocalRule, NdpProxy, Tunnel)
"""The kinds that are observed; one that is not listed here does not exist."""

PASSES = 6
"""How often to look again at once; a state that has not settled by then is left to the next wake-up."""

RUNNING = {Verb.CREATE: "creating", Verb.MODIFY: "modifying", Verb.DELETE: "deleting"}

log = structlog.get_logger()


@dataclass
class ItemState:
    """How one item stands: ``lacks`` what it waits for, ``error`` why it failed, or how it has ``drifted``."""

    state: str
    lacks: list[str] = field(default_factory=list)
    error: str = ""


@dataclass
class Outcome:
    """What the passes came to."""

    states: dict[Ref, ItemState]
    items: dict[Ref, Item]
    operations: int = 0
    settled: bool = True

    @property
    def failed(self) -> bool:
        """True when an item could not be made, changed or removed."""
        return any(item.state == "failed" for item in self.states.values())

    @property
    def drifted(self) -> bool:
        """True when something that somebody else has changed is left so."""
        return any(item.state == "drifted" for item in self.states.values())


class Reconciler:
    """Brings one namespace to what is intended; ``progress`` hears of every pass that has something to do."""

    def __init__(
        self,
        system: KernelSystem,
        progress: Callable[[Outcome], Awaitable[None] | None],
        drift: DriftWatch | None = None,
    ) -> None:
        self._system = system
        self._progress = progress
        self.drift = drift or DriftWatch()
        self._intended: dict[Ref, Item] = {}
        self._last: dict[Ref, Item] = {}
        self._first = True
        self._failed: dict[tuple[Verb, Ref, Item | None], ItemState] = {}
        self._kinds = INSTANCE_KINDS if system.owns_namespace else UPLINK_KINDS
        self.keep = False
        """Leave alone what is not wanted: part of the configuration was lost."""

    async def run(self, intend: Callable[[], Awaitable[Intent]], drain: Callable[[], object]) -> Outcome:
        """Reconcile until a pass finds nothing to do, or something fails.

        ``intend`` gives the intent anew for each pass, since facts may have changed; ``drain`` throws away the
        notifications that our own operations caused, before the observation that covers them.
        """
        operations = 0
        for _ in range(PASSES):
            drain()
            self._system.refresh()
            outcome, failed = await self._pass(await intend())
            log.debug("pass", operations=outcome.operations)
            operations += outcome.operations
            outcome.operations, again = operations, outcome.operations or not outcome.settled
            if not again or failed:
                return outcome
        outcome.settled = False
        return outcome

    async def _pass(self, intent: Intent) -> tuple[Outcome, bool]:
        wanted = state(item for group in intent.values() for item in group)
        external = frozenset(
            [
                ref
                for ref, item in wanted.items()
                if isinstance(item, External) and await item.holds(self._system)
            ]
        )
        current = await self._observe(wanted)
        if self.keep:
            current = {ref: item for ref, item in current.items() if ref in wanted}
        todo = plan(current, wanted, external)
        self._last = current
        look = Look(current, await identities(wanted, self._system))
        if self._first:
            self._first = False
            self.drift.recall(look, wanted)
        # What needs no operation has not drifted.
        verdict, waits, objects = Verdict(), set[Ref](), dict[Ref, str]()
        if todo:
            ops = {op.ref for op in todo.after}
            objects = {
                item.ref: group for group, items in intent.items() for item in items if item.ref in ops
            }
            verdict = self.drift.judge(look, wanted, todo.blocked, ops, objects)
            if verdict.held:
                shown, waits = hold(current, wanted, verdict.held, ops)
                todo = plan(shown, wanted, external)
        else:
            self.drift.judge(look, wanted, todo.blocked, (), {})
        outcome = Outcome({}, wanted)
        for ref, item in wanted.items():
            if ref in todo.blocked:
                lacks = [] if todo.blocked[ref] == {ref} else sorted(map(str, todo.blocked[ref]))
                outcome.states[ref] = ItemState("pending", lacks)
            else:
                outcome.states[ref] = ItemState("external" if item.external else "created")
        for ref in waits:
            outcome.states[ref] = ItemState("pending", [str(each) for each in sorted(verdict.held)])
        for ref, words in verdict.held.items():
            outcome.states[ref] = ItemState("drifted", error=words)
        if verdict.again:
            outcome.settled = False
            return outcome, False
        stood = {
            ref: item for ref, item in wanted.items() if (now := current.get(ref)) is item or now == item
        }
        if not todo:
            self._failed = {}
            self.drift.done(look, stood, (), verdict, ())
            if self.keep:
                self.drift.blind()
            return outcome, False
        for op in todo.after:
            # What failed is tried again and again: meanwhile its reason is worth more than that it is tried.
            outcome.states[op.ref] = self._failed.get((op.verb, op.ref, op.new)) or ItemState(
                RUNNING[op.verb]
            )
        outcome.operations = len(todo.after)
        self.drift.begin()
        if (told := self._progress(outcome)) is not None:
            await told
        results = await execute(todo, self._apply)
        failed = False
        self._failed = {}
        for op in todo.after:
            error = results.get(op, NetnsmgrError("waits for something that failed"))
            if error is not None:
                failed = True
                # Of a replacement whose first half failed, the second half was not tried: the failure is the news.
                if op in results or outcome.states[op.ref].state != "failed":
                    outcome.states[op.ref] = ItemState(
                        "failed" if op in results else "pending", error=str(error)
                    )
                self._failed[op.verb, op.ref, op.new] = outcome.states[op.ref]
            elif op.verb is Verb.DELETE:
                if op.ref not in wanted:
                    outcome.states.pop(op.ref, None)
            else:
                outcome.states[op.ref] = ItemState("created")
        refs = {op.ref for op in todo.after}
        ended = refs - {op.ref for op in todo.after if results.get(op, op) is not None}
        self.drift.done(
            look, stood | {ref: wanted[ref] for ref in ended & wanted.keys()}, refs, verdict, ended
        )
        self.drift.repaired(verdict, ended, objects)
        return outcome, failed

    async def _observe(self, wanted: dict[Ref, Item]) -> dict[Ref, Item]:
        by_kind: dict[str, dict[str, Item]] = {kind.kind: {} for kind in self._kinds}
        for ref, item in wanted.items():
            by_kind.setdefault(ref.kind, {})[ref.key] = item
        found: list[Item] = []
        for kind in self._kinds:
            found += await kind.observe(self._system, by_kind[kind.kind])
        # The kernel does not say that a route stands on its NAT table: who made an item knows what it stands on.
        intents, self._intended = (wanted, self._intended), wanted
        return {
            item.ref: next((known for intent in intents if (known := intent.get(item.ref)) == item), item)
            for item in found
        }

    async def differs(self, kinds: Sequence[type[KernelItem]]) -> bool:
        """Say whether anything of these kinds is another one than at the last look; a quick one, between passes."""
        self._system.refresh()
        for kind in kinds:
            wanted = {ref.key: item for ref, item in self._intended.items() if ref.kind == kind.kind}
            if not wanted:
                continue
            now = {item.ref: item for item in await kind.observe(self._system, wanted)}
            if now != {ref: item for ref, item in self._last.items() if ref.kind == kind.kind}:
                return True
        return False

    async def _apply(self, op: Op) -> None:
        try:
            if op.verb is Verb.DELETE:
                assert isinstance(op.old, KernelItem)
                await op.old.delete(self._system)
            elif op.verb is Verb.CREATE:
                assert isinstance(op.new, KernelItem)
                await op.new.create(self._system)
            else:
                assert isinstance(op.new, KernelItem)
                assert op.old is not None
                await op.new.modify(op.old, self._system)
        except NetnsmgrError as error:
            log.warning("operation failed", op=str(op), error=str(error))
            raise
        except Exception:
            log.exception("operation failed", op=str(op))
            raise
        log.debug("operation", op=str(op))


async def identities(wanted: dict[Ref, Item], system: KernelSystem) -> dict[Ref, object]:
    """Return what tells each link and each namespace of others from one of the same name that was there before."""
    found: dict[Ref, object] = {
        link_ref(name): info.ifindex for name, info in (await system.rtnl.links()).items()
    }
    found |= {ref: inode(item.path) for ref, item in wanted.items() if isinstance(item, ExternalNetns)}
    return found

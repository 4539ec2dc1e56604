"""The door to the kernel for one process in one namespace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from netnsmgr.items.lease import Lease
from netnsmgr.kernel.bridges import KernelBridges
from netnsmgr.kernel.files import KernelFiles
from netnsmgr.kernel.led_flows import KernelLedFlows
from netnsmgr.kernel.mapped_flows import KernelConntrack
from netnsmgr.kernel.namespace import inode
from netnsmgr.kernel.nft import KernelNft
from netnsmgr.kernel.processes import KernelProcesses
from netnsmgr.kernel.rtnl import KernelRtnl
from netnsmgr.kernel.wireguard import KernelWireguards
from netnsmgr.kernel.wireguard_go import KernelWireguardGo


class KernelSystem:
    """Everything of this process's namespace; see ``items.system.System``.

    ``directory`` is the agent's own run directory, ``changed`` is called when a helper ends, ``fresh`` says that the
    namespace was made just now, ``port_key`` seals records of ports, ``leases`` reads the leases of its DHCP server,
    ``home`` is an open file of the device's root namespace.
    """

    def __init__(
        self,
        directory: str,
        changed: Callable[[], None],
        *,
        owns_namespace: bool,
        fresh: bool,
        port_key: bytes,
        leases: Callable[[], Sequence[Lease]] = tuple,
        home: int | None = None,
    ) -> None:
        self.netns_inode = inode() or 0
        self.port_key = port_key
        self.leases = leases
        self.owns_namespace = owns_namespace
        etc = f"{directory}/etc"
        self.rtnl = KernelRtnl(home)
        self.bridges = KernelBridges(self.rtnl.refresh)
        self.nft = KernelNft(f"{directory}/nft.json")
        self.conntrack = KernelConntrack(f"{directory}/flows.json")
        self.led_flows = KernelLedFlows(f"{directory}/led.json")
        self.files = KernelFiles(etc)
        self.wireguard_go = KernelWireguardGo()
        self.wireguards = KernelWireguards()
        self.processes = KernelProcesses(etc, self.netns_inode, changed, fresh=fresh)

    async def __aenter__(self) -> Self:
        await self.rtnl.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.processes.close()
        await self.rtnl.__aexit__(kind, error, trace)

    def has_netns(self, path: str, mark: str = "") -> bool:
        there = inode(path)
        return there is not None and (not mark or self.files.read(mark) == str(there))

    def refresh(self) -> None:
        """Forget everything listed so far."""
        self.rtnl.refresh()
        self.bridges.refresh()

"""Links, addresses, routes and rules through rtnetlink(7), by pyroute2."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from netnsmgr.kernel.moves import MoveRequests


class KernelRtnl(MoveRequests):
    """One rtnetlink socket of the namespace that the process lives in; see ``items.system.Rtnl``."""

    async def __aenter__(self) -> Self:
        await self._ip.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._ip.__aexit__(kind, error, trace)

"""Who listens to the applications of an instance: `learning` to addresses that they make, `observing` to those that the network
gives, `limits` to whether they do too much.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from netnsmgr.agent.learning import Learning
from netnsmgr.agent.limits import LimitWatch
from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.ip import IPAddress
from netnsmgr.features import vif
from netnsmgr.features.bridge import bridge_mac
from netnsmgr.features.learnable import ground
from netnsmgr.features.nets import Learned
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch.names import silent
from netnsmgr.features.switch.observe import watched

if TYPE_CHECKING:
    from netnsmgr.agent.observing import Observing


class Learner:
    """``changed`` is called when something was learned or forgotten; ``directory`` is the agent's, ``name`` the instance's."""

    def __init__(self, directory: str, name: str) -> None:
        self._directory, self._name = directory, name
        self.changed: Callable[[], None] = lambda: None
        self._learning = Learning(directory, self._woken)
        self.limits = LimitWatch()
        self.limits.changed = self._woken
        self._observing: Observing | None = None

    def known(self, row: dict[str, Any]) -> tuple[tuple[Learned, ...], dict[int, tuple[IPAddress, ...]]]:
        """Return who has which address, and which DNS servers DHCP told whom, in the instance of this slice."""
        if row["instance"]["spec"].get("type") != "switch":
            return self._learning.learned, {}
        if self._observing is None:
            # Its parsers are not for everybody's memory.
            from netnsmgr.agent.observing import Observing

            self._observing = Observing(self._directory, bridge_mac(self._name), self._woken)
        return self._observing.learned, self._observing.told

    def keep(self, scope: InstanceScope, links: Collection[str]) -> tuple[Learned, ...]:
        """Take in what the instance and its links are now, and return what still holds, once it is on record."""
        self.limits.follow(scope)
        if scope.instance.is_switch:
            self._learning.keep(None)
            assert self._observing is not None
            return self._observing.keep(watched(scope, links))
        if self._observing is not None:
            # It was a switch until now.
            self._observing.keep({})
            self._observing.close()
            self._observing = None
        return self._learning.keep(ground(scope, links))

    def remarks(self, scope: InstanceScope, app: App, interface: AppInterface) -> list[str]:
        """Say what of an interface is not as it might be, though nothing is missing."""
        unheard = silent(scope, app, interface)
        return [*([unheard] if unheard else []), *self.limits.reasons(vif.group(app, interface))]

    def _woken(self) -> None:
        self.changed()

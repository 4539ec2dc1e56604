"""A stand-in for a virtual machine: its "network card" is the other side of a TAP of the instance."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.lab.app import AppHost
from tests.lab.host import Host
from tests.lab.place import Place
from tests.lab.process import Process

RELAY = Path(__file__).with_name("tap_relay.py")


class TapApp(AppHost):
    """A guest in the namespace NAME with an eth0; ``plug`` does what a hypervisor does with the TAP."""

    relay: Process | None = None

    def _hypervisor(self) -> tuple[Place, str]:
        """Where the TAPs of instances are opened, and the guest's namespace as it is pinned there."""
        return self.holder, self.netns or ""

    def plug(self, instance: str, tap: str, *, mac: str | None = None, guest: str = "eth0") -> None:
        """Open the persistent TAP ``tap`` in the network instance and carry its frames to and from the guest's link.

        ``mac`` is the guest's: the one that the instance's DHCP server knows.
        """
        holder, netns = self._hypervisor()
        outside = Host(holder, instance, f"/run/netns/{instance}")
        outside.wait_link(tap)
        argv = [holder.python, "-I", "-S", holder.script(RELAY), outside.netns or "", tap, netns, guest]
        self.relay = holder.start(holder.enter(), [*argv, mac or ""])
        self.relay.wait_line("relaying")
        self._ip("link", "set", "dev", guest, "up")

    def unplug(self) -> None:
        """Close the TAP, as when the virtual machine stops."""
        if self.relay is not None:
            self.relay.stop(signal.SIGKILL)
            self.relay = None

"""How much one application may do in a network, so that it harms nobody else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from netnsmgr.config.common import Model

Amount = Annotated[StrictInt, Field(ge=1, le=1_000_000)]


class Limits(Model):
    """What each interface of an app may do in this network; what is beyond is dropped. Ordinary use meets none of them."""

    flows: Amount = 16384
    """Flows at one time that the app has begun: connections, and what conntrack takes for such. Not of a switch."""

    new_flows: Amount = 1000
    """Flows begun in a second; four times as many at once after a pause. Not of a switch."""

    dns: Amount = 100
    """Packets to the instance's DNS server in a second; four times as many at once after a pause. Not of a switch."""

    broadcasts: Amount = 500
    """Broadcasts in a second, ARP and neighbour discovery among them; twice as many at once after a pause."""

    multicasts: Amount = 10_000
    """Packets to other groups in a second; twice as many at once after a pause."""

"""VLANs as the kinds name them: what a link of a switch carries, and a port that is a VLAN of another one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt, model_validator

from netnsmgr.config.common import Model, SimpleName

VlanId = Annotated[StrictInt, Field(ge=1, le=4094)]
"""0 means "no VLAN, only a priority", and 4095 is reserved (IEEE 802.1Q, 9.6)."""


class Vlan(Model):
    """What a link of a switch carries: exactly one of the fields."""

    access: VlanId | None = Field(default=None, examples=[100])
    """The one VLAN that the link is in; on the link itself its frames have no tag."""

    trunk: Annotated[tuple[VlanId, ...], Field(min_length=1)] | None = Field(
        default=None, examples=[[100, 200]]
    )
    """The VLANs that the link carries with their tags, beside frames without tag.
    Default of a link without `vlan`: all VLANs that are an `access` of some link in the network."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Vlan:
        if (self.access is None) == (self.trunk is None):
            what = "is empty" if self.access is None else "access and trunk exclude each other"
            raise ValueError(f"{what}; write exactly one of access: NUMBER, trunk: [NUMBER, …]")
        return self


class VlanPort(Model):
    """The VLAN of another port that a port is."""

    parent: SimpleName = Field(examples=["eth0"])
    """Name of the port whose frames with the tag are this port's."""

    id: VlanId = Field(examples=[100])
    """The tag, 1 to 4094."""

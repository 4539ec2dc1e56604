"""VLANs as the kinds name them: what a link of a switch carries, and a port that is a VLAN of another one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema, field_validator, model_validator

from netnsmgr.config.common import Model, SimpleName
from netnsmgr.config.values import vlan_id

VlanId = Annotated[
    int, PlainValidator(vlan_id), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 4094})
]

UNTAGGED = 1
"""The VLAN of frames without tag: the kernel's default (``vlan_default_pvid``), and that of EVE and of most switches."""


class Vlan(Model):
    """What a link of a switch carries: exactly one of the fields."""

    access: VlanId | None = Field(default=None, examples=[100])
    """The one VLAN that the link is in; on the link itself its frames have no tag. 1 is the VLAN of frames that have no
    tag anywhere: a link with `access: 1` has those alone."""

    trunk: Annotated[tuple[VlanId, ...], Field(min_length=1)] | None = Field(
        default=None, examples=[[100, 200]]
    )
    """The VLANs that the link carries with their tags, 2 to 4094, beside frames without tag.
    Default of a link without `vlan`: all VLANs that are an `access` of some link in the network."""

    @field_validator("trunk")
    @classmethod
    def _tags(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        for n, each in enumerate(value or ()):
            if each == UNTAGGED:
                raise ValueError(
                    f"VLAN {UNTAGGED} is that of frames without tag, which every trunk carries; leave it out"
                )
            if value and each in value[:n]:
                raise ValueError(f"VLAN {each} is there twice; keep one")
        return value

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

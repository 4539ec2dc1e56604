"""The kind App: something that is attached to networks, and how."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, field_validator, model_validator

from netnsmgr.config.acl import Acl
from netnsmgr.config.common import (
    Address4,
    Address6,
    ContainerName,
    Document,
    Duid,
    EtherType,
    Label,
    LinkName,
    Mac,
    Model,
    NetnsName,
)
from netnsmgr.config.vlan import Vlan
from netnsmgr.core.ip import IPAddress, Version

ATTACHED = ("netns", "pid", "container", "tap")


def mac_of(app: str, network: str, interface: str) -> str:
    """Return the MAC address that an interface has when its author gave none: always the same."""
    tail = hashlib.sha256(f"{app}/{network}/{interface}".encode()).digest()[:3]
    return "02:16:3e:" + tail.hex(":")


class Attach(Model):
    """Where the far end of the app's interfaces goes: exactly one of the fields."""

    netns: NetnsName | None = Field(default=None, examples=["app1"])
    """Into the named network namespace (`/run/netns/<name>`, as made by `ip netns add`)."""

    pid: Annotated[StrictInt, Field(ge=2, le=2**22)] | None = Field(default=None, examples=[4711])
    """Into the network namespace of the process with this id."""

    container: ContainerName | None = Field(default=None, examples=["app1"])
    """Into the network namespace of the container with this name or id, in docker or podman, each time that it starts.
    Run it without a network of its own (`--network none`)."""

    tap: Literal[True] | None = Field(default=None, examples=[True])
    """Nowhere: each interface is a TAP device for a virtual machine."""

    @field_validator("tap", mode="before")
    @classmethod
    def _only_true(cls, value: object) -> object:
        if value is not True and value is not None:
            raise ValueError("must be true; leave it out to attach in another way")
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Attach:
        given = [name for name in ATTACHED if getattr(self, name) is not None]
        if len(given) != 1:
            what = " and ".join(given) + " exclude each other" if given else "is empty"
            raise ValueError(
                f"{what}; write exactly one of netns: NAME, pid: NUMBER, container: NAME, tap: true"
            )
        return self

    def path(self, run_dir: str) -> str | None:
        """Return the file of the namespace: the one of its name, or where the daemon pins it; None for a TAP."""
        if self.netns is not None:
            return f"/run/netns/{self.netns}"
        if self.pid is not None:
            return f"{run_dir}/attach/pid-{self.pid}"
        return f"{run_dir}/attach/container-{self.container}" if self.container is not None else None

    @property
    def whose(self) -> str:
        """Return whose namespace it is, in words that follow "network namespace"."""
        if self.container is not None:
            return f"of container {self.container}"
        return self.netns or f"of process {self.pid}"


class AppInterface(Model):
    """One interface of an app in one network."""

    name: LinkName = Field(examples=["eth0"])
    """Name of the interface inside the app, at most 15 bytes, unique within the app."""

    network: Label = Field(examples=["ni1"])
    """Name of the network instance to join."""

    mac: Mac | None = Field(default=None, examples=["02:16:3e:00:00:01"])
    """MAC address. Default: one made from the names of app, network and interface, the same each time."""

    address: Address4 | None = Field(default=None, examples=["10.10.1.20"])
    """Static IPv4 address in the network's subnet, outside its DHCP range; reserved for this interface.
    Default: one from the DHCP range."""

    address6: Address6 | None = Field(default=None, examples=["fd00:10:1::20"])
    """Static IPv6 address in the network's subnet, outside its DHCPv6 range; reserved for this interface.
    Default: one from the DHCPv6 range, or what the app makes itself (SLAAC)."""

    duid: Duid | None = Field(default=None, examples=["00:03:00:01:02:16:3e:00:00:01"])
    """DHCPv6 unique identifier of the app, for a client whose MAC address the server cannot tell. Default: none."""

    acl: Acl | None = Field(default=None, examples=[[{"id": 1, "match": {"protocol": "tcp", "fport": 443}}]])
    """Access list: the first rule that matches a flow decides, and what no rule names is dropped, in both directions.
    Default: no list, everything is allowed."""

    vlan: Vlan | None = Field(default=None, examples=[{"access": 100}])
    """In a switch network: the VLANs that the interface carries. Default: see `vlan.trunk`."""

    ether_types: tuple[EtherType, ...] | None = Field(default=None, examples=[["profinet"], [0x8892]])
    """In a switch network: protocols beside IP and ARP that pass, both ways, by name or EtherType.
    Default: all without `acl`, none with one, because an access list speaks of IP alone."""

    anti_spoofing: StrictBool = True
    """Drop what the app sends from an address that is not its own; in a switch network from another MAC address, as DHCP
    server or as router."""

    def mac_for(self, app_name: str) -> str:
        """Return the MAC address, given or made."""
        return self.mac or mac_of(app_name, self.network, self.name)

    def fixed(self, version: Version) -> IPAddress | None:
        """Return the static address of a version."""
        return self.address if version == 4 else self.address6


class AppMetadata(Model):
    """What the app's metadata service tells it."""

    user_data: str | None = Field(default=None, examples=['"#cloud-config\\nhostname: plant7\\n"'])
    """Text for the software that sets the app up at its first start, such as cloud-init; best written as a block
    (`userData: |`, and the lines below, indented)."""

    meta_data: dict[str, str] = Field(default={}, examples=[{"site": "north"}])
    """Words of your own: key to text."""

    @field_validator("user_data", mode="before")
    @classmethod
    def _not_a_comment(cls, value: object) -> object:
        if value is None:
            raise ValueError(
                "has no value; after a space YAML takes '#' for a comment: write userData: | and the text below"
            )
        return value


class AppSpec(Model):
    """The app's attachment as it is to be."""

    attach: Attach
    """Where the far end of the app's interfaces goes: exactly one of `netns`, `pid`, `container`, `tap`."""

    interfaces: Annotated[tuple[AppInterface, ...], Field(min_length=1)]
    """The app's interfaces. The first one in a network carries the app's name in that network's DNS,
    each further one `<app>-<interface>`."""

    metadata: AppMetadata | None = Field(default=None, examples=[{"metaData": {"site": "north"}}])
    """What the metadata service at 169.254.169.254 tells the app."""


class App(Document):
    """An application: a container, process or virtual machine that is attached to networks."""

    kind: Literal["App"] = "App"
    """`App`."""

    spec: AppSpec
    """Its interfaces, and where their far ends go."""

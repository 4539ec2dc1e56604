"""What the kinds share: the base of all models, the types of their fields, and the metadata."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, StrictInt, WithJsonSchema
from pydantic.alias_generators import to_camel

from netnsmgr.config import addresses, tunnel, values
from netnsmgr.config.addresses import AddressRange
from netnsmgr.core.ip import IPAddress, IPInterface, IPNetwork

API_VERSION: Literal["netnsmgr/v1alpha1"] = "netnsmgr/v1alpha1"


class Model(BaseModel):
    """Base of all models: immutable, no unknown fields, camelCase in YAML and snake_case in Python."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


@dataclass(frozen=True)
class Shown:
    """In a field's `Annotated`: how `explain` calls the type, where the annotation does not tell."""

    shape: str
    model: type[Model] | None = None
    """The model of the value, where it may be one."""


def _schema(example: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example], **more})


def _word_or_number(words: Iterable[str], least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": [*words]},
                {"type": "integer", "minimum": least, "maximum": most},
            ]
        }
    )


_TEXT = PlainSerializer(str, return_type=str, when_used="json")

Address = Annotated[IPAddress, PlainValidator(addresses.address), _TEXT, _schema("10.10.1.1")]
Address4 = Annotated[
    IPv4Address, PlainValidator(addresses.address4), _TEXT, _schema("10.10.1.1", format="ipv4")
]
Address6 = Annotated[
    IPv6Address, PlainValidator(addresses.address6), _TEXT, _schema("fd00:10:1::20", format="ipv6")
]
DnsServer = Annotated[IPAddress, PlainValidator(addresses.dns_server), _TEXT, _schema("9.9.9.9")]
LinkPool4 = Annotated[IPv4Network, PlainValidator(addresses.link_pool4), _TEXT, _schema("169.254.100.0/22")]
LinkPool6 = Annotated[IPv6Network, PlainValidator(addresses.link_pool6), _TEXT, _schema("fd6e:6d00::/112")]
OuterPrefix = Annotated[
    IPv6Network, PlainValidator(addresses.outer_prefix), _TEXT, _schema("2001:db8:5::/64")
]
Route6 = Annotated[IPv6Network, PlainValidator(addresses.route6), _TEXT, _schema("fd00:20::/48")]
Nat64Prefix = Annotated[IPv6Network, PlainValidator(addresses.nat64_prefix), _TEXT, _schema("fd00:64::/96")]
Subnet = Annotated[IPNetwork, PlainValidator(addresses.subnet), _TEXT, _schema("10.10.1.0/24")]
HostAddress = Annotated[IPInterface, PlainValidator(addresses.host_address), _TEXT, _schema("192.168.0.2/24")]
Range = Annotated[
    AddressRange,
    Shown("IPv4 address-IPv4 address"),
    PlainValidator(addresses.range4),
    _TEXT,
    _schema("10.10.1.50-10.10.1.150"),
]
Range6 = Annotated[
    AddressRange,
    Shown("IPv6 address-IPv6 address"),
    PlainValidator(addresses.range6),
    _TEXT,
    _schema("fd00:10:1::100-fd00:10:1::1ff"),
]
Duid = Annotated[str, PlainValidator(values.duid), _TEXT, _schema("00:03:00:01:02:16:3e:00:00:01")]
EtherType = Annotated[
    int,
    Shown("name or number"),
    PlainValidator(values.ether_type),
    _word_or_number(values.ETHER_TYPES, 0x0600, 0xFFFF),
]
LinkLocalGroup = Annotated[
    int,
    Shown("name or number"),
    PlainValidator(values.link_local_group),
    _word_or_number(values.LINK_LOCAL_GROUPS, 3, 15),
]
Mac = Annotated[str, PlainValidator(values.mac_address), _schema("02:16:3e:00:00:01")]
Label = Annotated[str, PlainValidator(values.dns_label), _schema("ni1", maxLength=63)]
HostName = Annotated[str, PlainValidator(values.host_name), _schema("printer", maxLength=253)]
SimpleName = Annotated[str, PlainValidator(values.simple_name), _schema("eth0", maxLength=63)]
NetnsName = Annotated[str, PlainValidator(values.netns_name), _schema("app1", maxLength=255)]
ContainerName = Annotated[str, PlainValidator(values.container_name), _schema("app1", maxLength=200)]
TunnelName = Annotated[str, PlainValidator(values.link_name), _schema("wg0", maxLength=15)]
LinkName = Annotated[str, PlainValidator(values.link_name), _schema("eth0", maxLength=15)]
FilePath = Annotated[
    str, PlainValidator(values.file_path), _schema("/etc/netnsmgr/secrets/ni4.psk", pattern="^/")
]
Duration = Annotated[str, PlainValidator(values.duration), _schema("1h", pattern="^[1-9][0-9]*[smhd]$")]
Network = Annotated[IPNetwork, PlainValidator(addresses.network), _TEXT, _schema("10.20.0.0/24")]
Endpoint = Annotated[
    tunnel.Endpoint,
    Shown("host:port"),
    PlainValidator(tunnel.endpoint),
    _TEXT,
    _schema("vpn.example.com:51820"),
]
IkeHost = Annotated[str, Shown("host"), PlainValidator(tunnel.host), _schema("198.51.100.1")]
WireguardKey = Annotated[
    str,
    Shown("key"),
    PlainValidator(tunnel.wireguard_key),
    _schema("TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="),
]
IkeIdentity = Annotated[str, PlainValidator(tunnel.identity), _schema("device7.example.com", maxLength=255)]
Proposal = Annotated[
    str, Shown("proposal"), PlainValidator(tunnel.proposal), _schema("aes256gcm16-prfsha384-ecp384")
]
LeaseTime = Annotated[str, PlainValidator(values.lease_time), _schema("1h", pattern="^[1-9][0-9]*[smhd]$")]
Mtu = Annotated[StrictInt, Field(ge=1280, le=9216)]


class Metadata(Model):
    """The name of a document, and labels to find it by."""

    name: Label
    """Name of the object, unique within its kind: a DNS label (at most 63 of a-z, 0-9 and '-')."""

    labels: dict[str, str] = Field(default={}, examples=[{"site": "north"}])
    """Words of your own to select objects by; netnsmgr attaches no meaning to them."""


class Document(Model):
    """What every document has."""

    api_version: Literal["netnsmgr/v1alpha1"] = API_VERSION
    """Version of this format: `netnsmgr/v1alpha1`."""

    kind: str
    """What the document is about."""

    metadata: Metadata
    """Name and labels of the object."""

    @property
    def name(self) -> str:
        """Name of the object, unique within its kind."""
        return self.metadata.name

"""IPsec connections of a network instance: IKEv2 (RFC 7296), ESP in UDP (RFC 3948)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from netnsmgr.config.common import (
    Duration,
    FilePath,
    IkeHost,
    IkeIdentity,
    Model,
    Network,
    Proposal,
    SimpleName,
)
from netnsmgr.config.secret import Secret, SecretField
from netnsmgr.core.ip import IPNetwork

IKE_PROPOSALS = (
    "aes256gcm16-prfsha384-ecp384",
    "aes128gcm16-prfsha256-x25519",
    "aes256-sha256-ecp256",
    "aes256-sha256-modp2048",
)
"""What is offered by default: no SHA-1, no MODP of less than 2048 bits (RFC 8247)."""
ESP_PROPOSALS = ("aes256gcm16-x25519", "aes128gcm16-x25519", "aes256gcm16", "aes128gcm16", "aes256-sha256")
"""The same for what carries the packets (RFC 8221)."""


class IpsecSecret(Model):
    """How both ends show who they are: by one secret."""

    psk: SecretField = Field(examples=[{"file": "/etc/netnsmgr/secrets/cloud1.psk"}])
    """The secret that both ends have."""


class IpsecAuth(Model):
    """Who one end is, and how it shows that: by a secret that both have, or by a certificate."""

    id: IkeIdentity | None = Field(default=None, examples=["device7.example.com", "@fqdn"])
    """Identity: a name, an address, a mail address or a distinguished name. Default: its address, or the certificate's subject."""

    psk: SecretField | None = None
    """The secret that both ends have. Where both ends show it, write it in `auth`."""

    certificate: FilePath | None = Field(default=None, examples=["/etc/netnsmgr/certs/device7.pem"])
    """Our certificate (X.509, PEM or DER); of the remote end the only one that is accepted."""

    private_key: SecretField | None = None
    """The key of our certificate (PEM, not encrypted)."""

    ca: FilePath | None = Field(default=None, examples=["/etc/netnsmgr/certs/ca.pem"])
    """Of the remote end: the authority that must have signed its certificate."""


class IpsecChild(Model):
    """What is carried between two networks, and how (a child SA)."""

    name: SimpleName = Field(examples=["net"])
    """Name of the child, unique in its connection."""

    local: tuple[Network, ...] = Field(default=(), examples=[["10.11.12.0/24"]])
    """Our networks (traffic selectors). Default: the instance's subnets, or the virtual address."""

    remote: Annotated[tuple[Network, ...], Field(min_length=1)] = Field(
        examples=[["10.20.0.0/24"], ["0.0.0.0/0"]]
    )
    """Networks of the other end (traffic selectors). What goes there, or to `routes` where they are narrower, is encrypted or
    does not leave."""

    routes: tuple[Network, ...] | None = Field(default=None, examples=[["10.20.0.0/24"]])
    """With wide selectors, which networks are led into the tunnel ("route-based"). Default: `remote`."""

    proposals: tuple[Proposal, ...] = ESP_PROPOSALS
    """Algorithms in strongSwan's words, the preferred one first."""

    rekey: Duration = "1h"
    """After how long new keys are made."""

    start: Literal["apply", "traffic"] = "apply"
    """When it begins: at once, or with the first packet for the other end."""

    @property
    def led(self) -> tuple[IPNetwork, ...]:
        """What is led into the tunnel."""
        return self.remote if self.routes is None else self.routes


class IpsecConnection(Model):
    """An IKEv2 connection to one other end."""

    name: SimpleName = Field(examples=["cloud1"])
    """Name of the connection, unique in the instance."""

    remote: IkeHost = Field(examples=["198.51.100.1", "vpn.example.com"])
    """Where the other end is: an address or a name, which is resolved by the DNS servers of the instance's ports."""

    auth: IpsecSecret | None = Field(
        default=None, examples=[{"psk": {"file": "/etc/netnsmgr/secrets/cloud1.psk"}}]
    )
    """The secret by which both ends show who they are. Beside it nothing but `id` stands in `localAuth` and `remoteAuth`.
    Default: those two say it."""

    local_auth: IpsecAuth = Field(default=IpsecAuth(), examples=[{"id": "device7.example.com"}])
    """Who we are, and without `auth` how we show it."""

    remote_auth: IpsecAuth = Field(default=IpsecAuth(), examples=[{"id": "cloud1.example.com"}])
    """Who the other end is, and without `auth` how it shows it. With `psk`s, one of the two is enough."""

    proposals: tuple[Proposal, ...] = IKE_PROPOSALS
    """Algorithms of IKE in strongSwan's words, the preferred one first."""

    children: Annotated[tuple[IpsecChild, ...], Field(min_length=1)]
    """What is carried."""

    virtual_ip: StrictBool = False
    """Ask the other end for an address (and DNS servers); apps are seen as it."""

    dpd: Duration = "30s"
    """How long the other end may be silent before it is asked whether it lives."""

    rekey: Duration = "4h"
    """After how long new keys of IKE are made."""

    mobike: StrictBool = False
    """Follow changes of our address without a new connection (RFC 4555)."""

    legacy: StrictBool = False
    """Allow algorithms in `proposals`, also of the children, that no longer count as safe (SHA-1, MD5, 3DES, MODP of less
    than 2048 bits; RFC 8247, RFC 8221), for other ends that have nothing better."""

    @property
    def psk(self) -> Secret | None:
        """The secret that both ends have, wherever it is written; None where both show certificates."""
        return (self.auth or self.remote_auth).psk or self.local_auth.psk

    @property
    def networks(self) -> tuple[IPNetwork, ...]:
        """What is led into the tunnel."""
        return tuple(dict.fromkeys(network for child in self.children for network in child.led))


class Ipsec(Model):
    """IPsec in an instance."""

    connections: Annotated[tuple[IpsecConnection, ...], Field(min_length=1)]
    """IKEv2 connections, each to one other end."""

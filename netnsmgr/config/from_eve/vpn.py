"""VPN instances (ZnetInstCloud): the opaque text that EVE had for them until 2023, as far as it is known and safe.

EVE's strongSwan parsed it as JSON (pkg/pillar/cmd/zedrouter/strongswan.go before commit 4fe74bc3): a role and the fields
below, in any case of their letters.  Of what is not understood nothing is guessed: the instance then gets an empty `vpn`,
which `apply` refuses, so that nobody's packets leave in clear because a tunnel could not be read.
"""

from __future__ import annotations

import json
import os
from typing import Any

from netnsmgr.config import tunnel
from netnsmgr.config.from_eve.addressing import subnet
from netnsmgr.config.from_eve.message import Message

CLIENTS = {"onpremclient": "IKEv1", "azureclient": "IKEv2"}
"""Roles that one end of a tunnel of ours can have, and what EVE spoke."""
ANY = {"", "appnet", "uplink", "%any"}
"""Words that stand for the instance's own subnet, or for an address of the port."""
LOUD = "its tunnels are not carried over ({why}): 'vpn: {{}}' is left to be filled in, and refused until then"


class Tunnels:
    """Reads them, and keeps the secrets that belong into files."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.secrets: dict[str, str] = {}

    def read(self, opaque: Message, name: str, subnets: list[str]) -> dict[str, Any]:
        """Return the `vpn` of an instance; empty where it cannot be had."""
        try:
            config = _plain(opaque.text("oconfig"))
            role = config.get("vpnrole", "")
            if role not in CLIENTS:
                raise _Said("of EVE's roles only onPremClient and azureClient have an equal here")
            remote = tunnel.host(config.get("vpngatewayipaddr", ""))
            theirs = subnet(config.get("vpnsubnetblock", ""))
            ours = config.get("localsubnetblock", "")
            local = list(subnets) if ours.lower() in ANY else [str(subnet(ours))]
        except ValueError as fault:
            # The words of others would repeat what stands there.
            why = str(fault) if isinstance(fault, _Said) else "its opaque configuration is none that EVE had"
            opaque.note("oconfig" if opaque.has("oconfig") else "", LOUD.format(why=why))
            return {}
        opaque.note(
            "oconfig",
            f"EVE spoke {CLIENTS[role]} with algorithms that no longer count as safe: here it is IKEv2 with others, the other "
            "end shows its address as identity, and what is not for the tunnel does not leave (vpn.rest)",
        )
        auth = {"psk": {"file": self._secret(opaque, name, config.get("presharedkey", ""))}}
        child = {"name": "net", "local": local, "remote": [str(theirs)]}
        connection = {"name": name, "remote": remote, "auth": auth, "children": [child]}
        return {"ipsec": {"connections": [connection]}}

    def _secret(self, opaque: Message, name: str, secret: str) -> str:
        path = os.path.join(self._directory, f"{name}.psk")
        if secret:
            self.secrets[path] = secret + "\n"
        else:
            opaque.note("oconfig", f"has no preSharedKey: write it to {path}")
        return path


class _Said(ValueError):
    """A fault in our own words, without anything of the text."""


def _plain(text: str) -> dict[str, str]:
    """Return the texts of the opaque configuration, by their names in lower case."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError from None
    if not isinstance(value, dict):
        raise _Said("its opaque configuration is no object of JSON")
    found = {key.lower(): each for key, each in value.items() if isinstance(each, str)}
    found["vpnrole"] = found.get("vpnrole", "").lower()
    clients = next((each for key, each in value.items() if key.lower() == "clientconfiglist"), None)
    if clients:
        raise _Said("a list of clients is not understood")
    return found

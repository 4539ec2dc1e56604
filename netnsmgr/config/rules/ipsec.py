"""Rules of IPsec connections: who shows what, which networks are carried, and by what algorithms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from netnsmgr.config import algorithms
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.ipsec import IpsecAuth, IpsecChild, IpsecConnection
from netnsmgr.config.rules.scope import Scope, Spot, Where
from netnsmgr.config.vpn import Vpn
from netnsmgr.core.ip import IPAddress, IPNetwork
from netnsmgr.errors import Problem


def ipsec_rules(scope: Scope, ni: NetworkInstance, vpn: Vpn) -> Iterator[Problem]:
    """Yield what is wrong with an instance's IPsec connections."""
    names: dict[str, int] = {}
    pairs: dict[tuple[IPNetwork, IPNetwork], str] = {}
    secrets: dict[tuple[str | None, str], tuple[str, str]] = {}
    own = {str(ni.gateway_in(subnet)) for subnet in ni.spec.subnets}
    asking = [connection.name for connection in vpn.connections if connection.virtual_ip]
    for n, connection in enumerate(vpn.connections):
        here: Where = ("spec", "vpn", "ipsec", "connections", n)
        if names.setdefault(connection.name, n) != n:
            what = f"connection '{connection.name}' is there twice; rename one"
            yield scope.problem(_spot(ni, here, "name"), what)
        if connection.virtual_ip and len(vpn.connections) > 1 and connection.name == asking[-1]:
            what = "with 'virtualIp' all apps are seen as the address that this other end gives, so that the connection "
            what += "is the only one of its instance; use an instance for each"
            yield scope.problem(_spot(ni, here, "virtualIp"), what)
        if connection.remote in own:
            what = (
                f"{connection.remote} is the instance's own gateway; give the instance another in 'gateways'"
            )
            yield scope.problem(_spot(ni, here, "remote"), what)
        yield from _auth(scope, ni, here, connection)
        yield from _one_secret(scope, ni, here, connection, secrets)
        yield from _proposals(scope, ni, (*here, "proposals"), connection.proposals, "IKE", connection.legacy)
        children: dict[str, int] = {}
        for m, child in enumerate(connection.children):
            at: Where = (*here, "children", m)
            if children.setdefault(child.name, m) != m:
                what = f"child '{child.name}' is there twice in connection '{connection.name}'; rename one"
                yield scope.problem(_spot(ni, at, "name"), what)
            yield from _proposals(scope, ni, (*at, "proposals"), child.proposals, "ESP", connection.legacy)
            faults = list(_selectors(scope, ni, at, connection, child))
            yield from faults or _pairs(scope, ni, at, f"{connection.name}/{child.name}", child, pairs)


def _spot(ni: NetworkInstance, here: Where, *where: str | int) -> Spot:
    return Spot("NetworkInstance", ni.name, (*here, *where))


def not_asked(ni: NetworkInstance, vpn: Vpn, server: IPAddress) -> str:
    """Say why a DNS server behind the tunnels is not asked through them; empty if it is.

    It is asked from the instance's gateway address, or from the virtual one.
    """
    subnet = next((each for each in ni.spec.subnets if each.version == server.version), None)
    if subnet is None:
        return ""
    gateway = ni.gateway_in(subnet)
    for connection in vpn.connections:
        for child in connection.children:
            reached = any(server in network for network in child.led)
            if reached and (
                connection.virtual_ip or not child.local or any(gateway in e for e in child.local)
            ):
                return ""
    return (
        f"is asked from the gateway {gateway}, which is in no 'local' of the children that lead there; add it"
    )


def _auth(scope: Scope, ni: NetworkInstance, here: Where, connection: IpsecConnection) -> Iterator[Problem]:
    mine, other = connection.local_auth, connection.remote_auth
    if connection.auth is not None:
        for field, auth in (("localAuth", mine), ("remoteAuth", other)):
            for more in sorted(auth.model_dump(exclude_none=True).keys() - {"id"}):
                what = f"'auth' says how both ends show who they are, and beside it '{field}' holds nothing but 'id'; "
                yield scope.problem(_spot(ni, here, field, more), f"{what}leave this out, or 'auth'")
        return
    faults: list[tuple[str, str, str]] = []
    for field, auth in (("localAuth", mine), ("remoteAuth", other)):
        if auth.psk is not None and (auth.certificate is not None or auth.ca is not None):
            what = "a 'psk' and a certificate exclude each other at one end; keep one of them"
            faults.append((field, "psk", what))
    if mine.certificate is not None and mine.private_key is None:
        what = "our certificate needs its key; add privateKey: {file: /etc/netnsmgr/secrets/device7.key}"
        faults.append(("localAuth", "certificate", what))
    if mine.private_key is not None and mine.certificate is None:
        faults.append(("localAuth", "privateKey", "is the key of 'certificate', which is missing; add it"))
    if mine.ca is not None:
        what = "is the authority of the other end's certificate; write it in 'remoteAuth'"
        faults.append(("localAuth", "ca", what))
    if other.private_key is not None:
        what = "the other end's key is its own; leave it out, and ours belongs in 'localAuth'"
        faults.append(("remoteAuth", "privateKey", what))
    if mine.psk is not None and other.psk is not None and mine.psk != other.psk:
        what = "both ends have one and the same secret, and 'localAuth' names another file; keep one of them"
        faults.append(("remoteAuth", "psk", what))
    for field, field_of, what in faults:
        yield scope.problem(_spot(ni, here, field, field_of), what)
    if not faults:
        yield from _missing(scope, ni, here, mine, other)


def _one_secret(
    scope: Scope,
    ni: NetworkInstance,
    here: Where,
    connection: IpsecConnection,
    secrets: dict[tuple[str | None, str], tuple[str, str]],
) -> Iterator[Problem]:
    """Check that two ends have one secret, as charon looks for it by their identities."""
    mine, other = connection.local_auth, connection.remote_auth
    field = "auth" if connection.auth is not None else "localAuth" if mine.psk is not None else "remoteAuth"
    psk = connection.psk
    if psk is None:
        return
    first, file = secrets.setdefault((mine.id, other.id or connection.remote), (connection.name, psk.file))
    if file != psk.file:
        what = f"connection '{first}' has the same identities at both ends and another secret, and charon could not tell "
        yield scope.problem(
            _spot(ni, here, field, "psk"),
            f"{what}which to take; give one of them another 'id', or an instance for each",
        )


def _missing(
    scope: Scope, ni: NetworkInstance, here: Where, mine: IpsecAuth, other: IpsecAuth
) -> Iterator[Problem]:
    """Check that there is something by which each end shows who it is."""
    by_certificate = mine.certificate is not None, other.certificate is not None or other.ca is not None
    if mine.psk is not None or other.psk is not None or all(by_certificate):
        if other.id == "%any" and other.ca is not None and other.certificate is None:
            what = "with '%any' everybody who has a certificate of that authority would do; give the other end's identity"
            yield scope.problem(_spot(ni, here, "remoteAuth", "id"), what)
        return
    psk = "{psk: {file: /etc/netnsmgr/secrets/ni4.psk}}"
    if not any(by_certificate):
        what = f"nothing says how the two ends show who they are; write auth: {psk}, or certificates"
        yield scope.problem(_spot(ni, here), what)
    elif by_certificate[0]:
        what = "nothing says how the other end shows who it is; add 'ca' or 'certificate', or a 'psk', to 'remoteAuth'"
        yield scope.problem(_spot(ni, here, "remoteAuth"), what)
    else:
        what = (
            f"nothing says how we show who we are; write localAuth: {psk}, or 'certificate' and 'privateKey'"
        )
        yield scope.problem(_spot(ni, here, "localAuth"), what)


def _proposals(
    scope: Scope,
    ni: NetworkInstance,
    here: Where,
    proposals: tuple[str, ...],
    protocol: Literal["IKE", "ESP"],
    legacy: bool,
) -> Iterator[Problem]:
    if not proposals:
        yield scope.problem(_spot(ni, here), "is empty; leave the line out, which offers what is safe today")
    for k, proposal in enumerate(proposals):
        if what := algorithms.fault(proposal, protocol):
            yield scope.problem(_spot(ni, here, k), what)
        elif not legacy and (words := algorithms.weak(proposal)):
            listed = "', '".join(words)
            what = f"'{listed}' in '{proposal}' {'are' if len(words) > 1 else 'is'} no longer safe; use another, or, if the "
            what += "other end has nothing better, write 'legacy: true' at the connection"
            yield scope.problem(_spot(ni, here, k), what)


def _selectors(
    scope: Scope, ni: NetworkInstance, here: Where, connection: IpsecConnection, child: IpsecChild
) -> Iterator[Problem]:
    """Check the versions of a child's networks, and whose they are."""
    mine = {subnet.version: subnet for subnet in ni.spec.subnets}
    version = child.remote[0].version
    for field, networks in (("remote", child.remote), ("local", child.local), ("routes", child.routes or ())):
        for k, network in enumerate(networks):
            spot = _spot(ni, here, field, k)
            if network.version != version:
                what = f"{network} is IPv{network.version}, and {child.remote[0]} is IPv{version}"
                yield scope.problem(spot, f"{what}; write a child for each")
            elif mine and version not in mine:
                what = f"{network} is IPv{version}, and the instance has no such subnet; add one to 'subnets', or use "
                yield scope.problem(spot, f"{what}IPv{10 - version}")
                return
    if child.local and connection.virtual_ip:
        what = "with 'virtualIp' our network is the address that the other end gives; leave 'local' out"
        yield scope.problem(_spot(ni, here, "local"), what)
    for k, network in enumerate(child.local if not connection.virtual_ip else ()):
        subnet = mine.get(network.version)
        if subnet is not None and network.version == version and not network.overlaps(subnet):
            what = f"{network} holds no address of the instance, whose subnet is {subnet}"
            yield scope.problem(_spot(ni, here, "local", k), f"{what}; use that, or a part of it")
    if child.routes == ():
        what = "is empty, so that nothing would be led into the tunnel; leave the line out to lead all of 'remote'"
        yield scope.problem(_spot(ni, here, "routes"), what)
    for k, network in enumerate(child.routes or ()):
        if network.version == version and not any(
            network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
            for each in child.remote
        ):
            what = (
                f"{network} is in no network of 'remote', so that the tunnel does not carry it; add it there"
            )
            yield scope.problem(_spot(ni, here, "routes", k), what)


def _pairs(
    scope: Scope,
    ni: NetworkInstance,
    here: Where,
    name: str,
    child: IpsecChild,
    pairs: dict[tuple[IPNetwork, IPNetwork], str],
) -> Iterator[Problem]:
    """Check that no two children are for the same packets."""
    version = child.remote[0].version
    local = child.local or tuple(subnet for subnet in ni.spec.subnets if subnet.version == version)
    for mine in dict.fromkeys(local):
        for k, other in enumerate(child.remote):
            if (first := pairs.setdefault((mine, other), name)) != name:
                what = f"what goes from {mine} to {other} is carried by '{first}' already; make them apart, or use an "
                yield scope.problem(_spot(ni, here, "remote", k), f"{what}instance for each")
                return

"""A WireGuard file into a network instance with that tunnel.  Pure.

What the file does not say is not made up, but for the names of peers, which it has in comments at best.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, TypeVar

from netnsmgr.config import addresses, tunnel, wgquick
from netnsmgr.config.converted import Converted, Lacking, Wishes, instance, name_of
from netnsmgr.config.wgquick import INTERFACE, PEER, Entry, Section
from netnsmgr.core.ip import IPNetwork
from netnsmgr.errors import ConfigError, Problem

T = TypeVar("T")

HOOKS = ("PreUp", "PostUp", "PreDown", "PostDown")
LEFT = {
    **dict.fromkeys(
        HOOKS,
        "commands are not carried over; address translation, routes and the kill switch are netnsmgr's own",
    ),
    "FwMark": "netnsmgr marks the encrypted packets itself",
    "Table": "what is in AllowedIPs is led into the tunnel, by the instance's own routes",
    "SaveConfig": "what runs is what was applied; nothing is written back",
    "IncludedApplications": "belongs to the application for Android",
    "ExcludedApplications": "belongs to the application for Android",
}
"""Keys that are not carried over, and why."""
USUAL = {"FwMark": {"off", "0", "0x0"}, "Table": {"auto"}, "SaveConfig": {"false"}}
"""Values of them that change nothing."""
LACKING = (
    Lacking("ports", "[eth0]", "the device's ports by which the encrypted packets leave"),
    Lacking("subnets", "[10.10.1.0/24]", "the network of the applications"),
    Lacking("dhcp", "{}", "so that applications get their addresses by DHCP", needed=False),
)
"""Fields of an instance that no such file knows."""
LOOKS = "a file of wg or wg-quick, with [Interface] and [Peer]"
"""What `recognises` looks for, for those whose file it is not."""
WISHES = ("subnets", "ports")
"""Which of the user's wishes, beside a name and a place for keys, mean anything here."""
_NAMED = re.compile(
    r"(?:(?:friendly[_ ]?)?name\s*[=:]\s*|client\s+|peer\s+)?([A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)",
    re.IGNORECASE,
)


def recognises(text: str) -> bool:
    """Whether a text looks like a file of wg or wg-quick."""
    return re.search(r"^\s*\[(interface|peer)\]", text, re.IGNORECASE | re.MULTILINE) is not None


def convert(text: str, file: str, wishes: Wishes) -> Converted:
    """Return the instance with its tunnel; raises ConfigError with all that is wrong with the file.

    Where no name is wished, instance and tunnel are called like the file.
    """
    name = wishes.name or name_of(file)
    if not name:
        what = "gives no name for a network instance; say how it is to be called: --name NAME"
        raise ConfigError([Problem(what, file=file, line=1, column=1)])
    return _Conversion(text, file, wgquick.link_of(file, name), replace(wishes, name=name)).result()


class _Conversion:
    def __init__(self, text: str, file: str, link: str, wishes: Wishes) -> None:
        self._file, self._link, self._wishes = file, link, wishes
        self._sections, self._problems = wgquick.read(text, file)
        self._notes: list[Problem] = []
        self._secrets: dict[str, str] = {}

    def result(self) -> Converted:
        heads = [each for each in self._sections if each.name == INTERFACE]
        # wg takes what several [Interface] sections say as one.
        head = Section(INTERFACE, heads[0].line if heads else 1, [e for each in heads for e in each.entries])
        if not heads and not self._problems:
            self._wrong(1, "there is no [Interface]: this is no WireGuard file, or only a part of one")
        found = self._interface(head)
        peers = self._peers([each for each in self._sections if each.name == PEER])
        servers = list(self._servers(head, [ip_network(n) for peer in peers for n in peer["allowedIps"]]))
        if peers:
            found["peers"] = peers
        if self._problems:
            raise ConfigError(sorted(self._problems, key=lambda each: (each.line, each.column)))
        self._differences(head, peers, servers)
        document = instance(self._wishes, {"wireguard": {"tunnels": [found]}}, tuple(servers))
        notes = sorted(self._notes, key=lambda each: each.line)
        lacking = tuple(each for each in LACKING if each.field not in document["spec"])
        return Converted((document,), self._secrets, tuple(notes), (lacking,))

    def _interface(self, head: Section) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self._link}
        if (key := self._read(head.last("PrivateKey"), tunnel.wireguard_key)) is not None:
            found["privateKey"] = self._secret(f"{self._stem}.key", key)
        elif head.last("PrivateKey") is None:
            self._note(
                head.line, "there is no PrivateKey: one is generated, and its public key is in the status"
            )
        own = [self._read_word(word, entry, _host_address) for word, entry in head.words("Address")]
        if known := [each for each in own if each is not None]:
            found["addresses"] = list(dict.fromkeys(known))
        if port := self._read(head.last("ListenPort"), lambda word: _number(word, 0, 65535)):
            found["listenPort"] = port
        if (entry := head.last("MTU")) is not None and (
            mtu := self._read(entry, lambda w: _number(w, 0, 65535))
        ):
            if 1280 <= mtu <= 9216:
                found["mtu"] = mtu
            else:
                self._left(
                    entry, "an MTU here is 1280 to 9216; it is computed from that of the ports instead"
                )
        for entry in head.entries:
            if entry.key in LEFT and entry.value.lower() not in USUAL.get(entry.key, ()):
                self._left(entry, LEFT[entry.key])
        return found

    def _servers(self, head: Section, led: list[IPNetwork]) -> Iterator[str]:
        """Yield the DNS servers that the tunnel leads to; what is no address is a search domain, wg-quick(8)."""
        for word, entry in head.words("DNS"):
            if re.fullmatch(r"[0-9.]+|.*:.*", word):
                server = self._read_word(word, entry, addresses.dns_server)
                if server is not None and any(server in network for network in led):
                    yield str(server)
                elif server is not None:
                    self._left(entry, f"{server} is in no peer's AllowedIPs, and would be asked in clear")
            else:
                self._left(
                    entry, f"'{word}' is a search domain; applications get the instance's own, dhcp.domain"
                )

    def _peers(self, sections: list[Section]) -> list[dict[str, Any]]:
        taken = [named for each in sections if (named := _named(each))]
        holders = self._holders(sections)
        peers: list[dict[str, Any]] = []
        for number, section in enumerate(sections, 1):
            named = _named(section)
            name = named if named and taken.count(named) == 1 else _free(f"peer{number}", taken)
            peer: dict[str, Any] = {"name": name}
            key = section.last("PublicKey")
            if key is None:
                self._wrong(section.line, "this [Peer] has no PublicKey")
            peer["publicKey"] = self._read(key, tunnel.wireguard_key)
            shared = self._read(section.last("PresharedKey"), tunnel.wireguard_key)
            if (endpoint := self._read(section.last("Endpoint"), tunnel.endpoint)) is not None:
                peer["endpoint"] = str(endpoint)
            mine = list(map(str, self._own(section, holders)))
            if alive := self._read(section.last("PersistentKeepalive"), _keepalive):
                peer["keepalive"] = alive
            if mine:
                if shared is not None:
                    peer["presharedKey"] = self._secret(f"{self._stem}-{name}.psk", shared)
                peers.append(peer | {"allowedIps": mine})
            elif not section.all("AllowedIPs") or not self._problems:
                self._note(
                    section.line,
                    f"peer {name} has no AllowedIPs of its own, so that nothing can be sent to it",
                )
        return [{key: peer[key] for key in _ORDER if key in peer} for peer in peers]

    def _holders(self, sections: list[Section]) -> dict[IPNetwork, Section]:
        """Return who has each network: of several peers the last one, as the kernel has it."""
        holders: dict[IPNetwork, Section] = {}
        for section in sections:
            for word, entry in section.words("AllowedIPs"):
                network = self._read_word(word, entry, _network)
                if network is None:
                    continue
                other = holders.get(network)
                if other is not None and other is not section:
                    self._note(
                        entry.line,
                        f"AllowedIPs: {network} is in the [Peer] of line {other.line}, too; it belongs to the last one",
                    )
                holders[network] = section
        return holders

    def _own(self, section: Section, holders: dict[IPNetwork, Section]) -> list[IPNetwork]:
        """Return what a section's peer really has: of nested networks the inner one's peer has it, as in the kernel."""
        own: list[IPNetwork] = []
        for network, holder in holders.items():
            if holder is not section:
                continue
            left = [network]
            inner = [n for n, other in holders.items() if n != network and _within(n, network)]
            foreign = [n for n in inner if holders[n] is not section]
            for each in foreign:
                left = [rest for part in left for rest in _without(part, each)]
            if foreign:
                said = ", ".join(map(str, foreign))
                self._note(
                    section.line, f"AllowedIPs: {network} is written without {said}, which another [Peer] has"
                )
            own += left
        own = list(dict.fromkeys(own))
        return [each for each in own if not any(each != n and _within(each, n) for n in own)]

    def _differences(self, head: Section, peers: list[dict[str, Any]], servers: list[str]) -> None:
        """Say what means something else here than with wg-quick."""
        led = [ip_network(each) for peer in peers for each in peer["allowedIps"]]
        if peers and not any(network.prefixlen == 0 for network in led):
            self._note(
                head.line,
                "what is for no peer's AllowedIPs does not leave; to let it leave in clear as with wg-quick, write vpn.rest: direct",
            )
        if not servers:
            self._note(
                head.line,
                "there is no DNS server: applications resolve no foreign names; write dns.servers, or vpn.dns: direct to ask in clear",
            )

    # --- values -------------------------------------------------------------------------------------------

    @property
    def _stem(self) -> str:
        name = self._wishes.name
        return name if name == self._link else f"{name}-{self._link}"

    def _secret(self, name: str, content: str) -> dict[str, str]:
        path = os.path.join(self._wishes.secrets, name)
        self._secrets[path] = content + "\n"
        return {"file": path}

    def _read(self, entry: Entry | None, reader: Callable[[str], T]) -> T | None:
        return None if entry is None else self._read_word(entry.value, entry, reader)

    def _read_word(self, word: str, entry: Entry, reader: Callable[[str], T]) -> T | None:
        try:
            return reader(word)
        except ValueError as error:
            self._problems.append(
                Problem(f"{entry.key}: {error}", file=self._file, line=entry.line, column=entry.column)
            )
            return None

    def _wrong(self, line: int, what: str) -> None:
        self._problems.append(Problem(what, file=self._file, line=line, column=1))

    def _left(self, entry: Entry, why: str) -> None:
        # The value is not said: commands may hold keys.
        what = f"not carried over: {entry.key} ({why})"
        self._notes.append(Problem(what, file=self._file, line=entry.line, column=entry.column))

    def _note(self, line: int, what: str) -> None:
        self._notes.append(Problem(what, file=self._file, line=line, column=1))


_ORDER = ("name", "publicKey", "presharedKey", "endpoint", "allowedIps", "keepalive")


def _named(section: Section) -> str:
    """Return the name that a comment at the head of a section gives the peer, if it is but a name."""
    return next((found[1] for each in section.comments if (found := _NAMED.fullmatch(each))), "")


def _free(name: str, taken: list[str]) -> str:
    return name if name not in taken else _free(f"{name}-2", taken)


def _within(inner: IPNetwork, outer: IPNetwork) -> bool:
    return inner.version == outer.version and outer.supernet_of(inner)  # type: ignore[arg-type]


def _without(network: IPNetwork, hole: IPNetwork) -> list[IPNetwork]:
    """Return what is left of a network without a part of it."""
    if _within(hole, network):
        return sorted(network.address_exclude(hole))  # type: ignore[arg-type]
    return [] if _within(network, hole) else [network]


def _number(word: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", word) or not least <= int(word) <= most:
        raise ValueError(f"'{word}' must be a number from {least} to {most}")
    return int(word)


def _keepalive(word: str) -> int:
    return 0 if word.lower() == "off" else _number(word, 0, 65535)


def _host_address(word: str) -> str:
    """Read an address as ``ip address add`` takes it: alone it is a network of its own."""
    if "/" not in word:
        alone = addresses.address(word)
        word = f"{alone}/{alone.max_prefixlen}"
    return str(addresses.host_address(word))


def _network(word: str) -> IPNetwork:
    """Read a network as ``wg`` does: bits behind the prefix do not count."""
    try:
        return ip_network(word, strict=False)
    except ValueError:
        raise ValueError(f"'{word}' must be a network such as 10.20.0.0/24") from None

"""Configurations of EVE in few words."""

from __future__ import annotations

import json
from typing import Any

from netnsmgr.config import from_eve
from netnsmgr.config.check import check
from netnsmgr.config.converted import Converted, Wishes
from netnsmgr.errors import ConfigError

Json = dict[str, Any]


def network(key: str = "net0", /, **ip: Any) -> Json:
    """A network of a port: static in 192.168.0.0/24 unless said otherwise."""
    static = {"dhcp": 1, "subnet": "192.168.0.0/24", "gateway": "192.168.0.1"}
    return {"id": key, "type": 7, "ip": ip or static}


def port(name: str = "eth0", **more: Any) -> tuple[Json, Json]:
    """A system adapter and what is below it: for management, 192.168.0.2 in network net0, unless said otherwise."""
    adapter = {"name": name, "uplink": True, "networkUUID": "net0", "addr": "192.168.0.2"} | more
    hardware = {"ptype": 1, "phylabel": name, "logicallabel": name, "phyaddrs": {"Ifname": name}}
    return {key: value for key, value in adapter.items() if value is not None}, hardware


def instance(name: str = "ni1", /, **more: Any) -> Json:
    """A local instance 10.10.1.0/24 with the port eth0 unless said otherwise."""
    return {
        "uuidandversion": {"uuid": f"uuid-{name}"},
        "displayname": name,
        "instType": 2,
        "activate": True,
        "port": {"name": "eth0"},
        "ipType": 1,
        "ip": {"subnet": "10.10.1.0/24"},
        "disableFlowlog": True,
    } | more


def switch(name: str = "sw1", **more: Any) -> Json:
    """A switch with the port eth0 unless said otherwise."""
    return instance(name, instType=1, ipType=0, ip={}, **more)


def app(name: str = "app1", *interfaces: Json, **more: Any) -> Json:
    """An application with one interface in ni1 where everything is allowed, unless said otherwise."""
    return {
        "uuidandversion": {"uuid": f"uuid-{name}"},
        "displayname": name,
        "activate": True,
        "interfaces": list(interfaces) or [interface()],
    } | more


def interface(network: str = "ni1", *acls: Json, **more: Any) -> Json:
    """An interface; everything is allowed unless there are rules."""
    return {
        "name": "any",
        "networkId": f"uuid-{network}",
        "acls": list(acls) or [rule({"ip": "0.0.0.0/0"})],
    } | more


def rule(matches: dict[str, str], number: int = 1, **action: Any) -> Json:
    """A rule, of one action if that is given."""
    found: Json = {
        "id": number,
        "matches": [{"type": kind, "value": value} for kind, value in matches.items()],
    }
    return found | ({"actions": [action]} if action else {})


def device(*parts: Json, ports: tuple[tuple[Json, Json], ...] | None = None, **more: Any) -> Json:
    """A device with the port eth0, unless said otherwise, and with instances and applications."""
    made = (port(),) if ports is None else ports
    return {
        "id": {"uuid": "uuid-device", "version": "1"},
        "deviceIoList": [hardware for _, hardware in made],
        "systemAdapterList": [adapter for adapter, _ in made],
        "networks": [network()],
        "networkInstances": [each for each in parts if "instType" in each],
        "apps": [each for each in parts if "instType" not in each],
    } | more


def converted(value: Json | str, *, attach: str = "netns", name: str = "") -> Converted:
    """Return what a configuration becomes; attached to namespaces unless said otherwise."""
    text = value if isinstance(value, str) else json.dumps(value, indent=1)
    return from_eve.convert(text, "eve.json", Wishes(name, "/s", attach=attach))


def accepted(value: Json) -> Converted:
    """The same, and `apply` would take it."""
    found = converted(value)
    assert [str(each) for each in check(found.documents, {})[1]] == []
    return found


def spec(found: Converted, name: str) -> Json:
    """Return the spec of the document of a name."""
    (document,) = (each for each in found.documents if each["metadata"]["name"] == name)
    return dict(document["spec"])


def device_port(found: Converted, name: str = "eth0") -> Json:
    """Return a port of the Device."""
    ports = found.documents[0]["spec"]["ports"]
    return dict(next(each for each in ports if each["name"] == name))


def notes(found: Converted) -> str:
    """Return what is said beside it."""
    return "\n".join(map(str, found.notes))


def faults(value: Json | str) -> list[str]:
    """Return why a configuration is refused."""
    try:
        found = converted(value)
    except ConfigError as error:
        return [str(each) for each in error.problems]
    raise AssertionError(f"accepted: {found.documents}")

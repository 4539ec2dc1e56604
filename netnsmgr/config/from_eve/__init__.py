"""A device's configuration of EVE (`EdgeDevConfig`, lf-edge/eve-api) into documents of netnsmgr.  Pure.

The format is the protocol buffer in JSON.  What it does not say is not made up, and what is not carried over is told:
`docs/eve.md` has a line for each field.
"""

from __future__ import annotations

import re
from typing import Any

from netnsmgr.config.converted import Converted, Lacking, Wishes
from netnsmgr.config.from_eve import fields
from netnsmgr.config.from_eve.apps import Apps
from netnsmgr.config.from_eve.instances import Instances, envelope
from netnsmgr.config.from_eve.message import Message
from netnsmgr.config.from_eve.names import Names, label
from netnsmgr.config.from_eve.ports import Ports
from netnsmgr.config.from_eve.report import Report
from netnsmgr.config.from_eve.rules import Rules
from netnsmgr.config.from_eve.text import read
from netnsmgr.config.from_eve.vpn import Tunnels

LOOKS = "an EdgeDevConfig of EVE in JSON"
"""What `recognises` looks for, for those whose file it is not."""
WISHES = ("attach",)
"""Which of the user's wishes, beside a name and a place for keys, mean anything here."""

ANSWER = {"config", "configHash", "config_hash"}
"""A controller's answer (`ConfigResponse`), which has the EdgeDevConfig within."""

_OURS = re.compile(
    r'"(networkInstances|network_instances|systemAdapterList|system_adapter_list|deviceIoList|device_io_list|apps|networks)"\s*:'
)


def recognises(text: str) -> bool:
    """Whether a text looks like an EdgeDevConfig."""
    return text.lstrip("\ufeff \t\r\n").startswith("{") and _OURS.search(text) is not None


def convert(text: str, file: str, wishes: Wishes) -> Converted:
    """Return the Device, its network instances and applications; raises ConfigError with all that is wrong."""
    value, node = read(text.removeprefix("\ufeff"), file)
    report = Report(file, node)
    within = isinstance(value, dict) and "config" in value and value.keys() <= ANSWER
    root = Message(report, fields.DEVICE, value["config"] if within else value, ("config",) if within else ())
    root.message("id", fields.UUID_AND_VERSION)
    ports = Ports(root)
    tunnels = Tunnels(wishes.secrets)
    instances = Instances(root, ports, tunnels)
    apps = Apps(root, instances, Rules(ports), wishes.attach)
    called = Names(label).give(wishes.name or root.text("deviceName"), "device")
    report.require()
    device = envelope("Device", called, "", {"ports": ports.documents()})
    documents = (device, *instances.documents(), *apps.documents)
    return Converted(documents, tunnels.secrets, report.notes(), tuple(map(_lacking, documents)))


def _lacking(document: dict[str, Any]) -> tuple[Lacking, ...]:
    """Return what is to be filled in, because no EVE says it."""
    spec, name = document["spec"], document["metadata"]["name"]
    if document["kind"] == "App" and "attach" not in spec:
        return (Lacking("attach", f"{{container: {name}}}", "or {netns: NAME}, {tap: true}; see --attach"),)
    if spec.get("vpn") == {}:
        return (Lacking("vpn", "{ipsec: {connections: [{…}]}}", "the tunnels, in place of 'vpn: {}'"),)
    return ()

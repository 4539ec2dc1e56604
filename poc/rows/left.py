"""What a deleted instance may have left behind on the device, and in its applications."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Interface

import yaml

from poc.scene import Scene
from tests.lab.process import LabError

SHOWN = (
    "ip -o link",
    "ip rule",
    "ip -6 rule",
    "ip route show table all",
    "ip -6 route show table all",
    "ip netns",
    "nft list ruleset",
    "ls /run/netnsmgr/instances",
)
# Whose namespace a process of another user is in, only those with CAP_SYS_PTRACE may ask; a container's root is none.
PROCESSES = """
for process in /proc/[0-9]*; do
    line=$(cat $process/comm; tr '\\0' ' ' <$process/cmdline)
    case "$(readlink $process/ns/net) $line" in
        "$1 "* | *"/instances/$2/"* | *"netnsmgr:$2
"*) echo $line ;;
    esac
done 2>/dev/null
"""


class Traces:
    """What there is of an instance, taken down while it lives; ``left``: what of that there is still.

    ``document``: with the instance and the applications in it.
    """

    def __init__(self, scene: Scene, document: str, instance: str) -> None:
        self.scene, self.instance = scene, instance
        device = scene.device
        self.netns = scene.instance(instance).run(["readlink", "/proc/self/ns/net"]).stdout.strip()
        self.interfaces = interfaces(document, instance)
        # Its name is in those of its link and its directory; its link's addresses and its tables have it not.
        self.patterns = [rf"\b{re.escape(instance)}\b"]
        link = device.run(
            ["ip", "-json", "-4", "address", "show", "dev", f"nm-{instance}"], check=False
        ).stdout
        for address in (a for one in json.loads(link or "[]") for a in one.get("addr_info", ())):
            pair = IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
            # The pool of all links begins with the address of one.
            self.patterns += [rf"\b{re.escape(str(end))}\b(?!/2)" for end in pair]
        rules = device.run(["ip", "rule"]).stdout
        tables = re.findall(rf"iif nm-{re.escape(instance)} lookup (\d+)", rules)
        self.patterns += [rf"\b(?:table|lookup) {table}\b" for table in tables]
        # So that "nothing" means something later.
        if not any(found.startswith("process ") for found in self.left()):
            raise LabError(f"no process of {instance} is seen")

    def left(self) -> list[str]:
        """Links, rules, routes, tables, files, processes, interfaces of applications; nothing: it is gone."""
        run = self.scene.device.run
        lines = [line for command in SHOWN for line in run(command.split(), check=False).stdout.splitlines()]
        found = [line.strip() for line in lines if any(re.search(pattern, line) for pattern in self.patterns)]
        found += [
            f"process {line.strip()}"
            for line in run(
                ["sh", "-c", PROCESSES, "sh", self.netns, self.instance], timeout=30
            ).stdout.splitlines()
        ]
        found += [
            f"{interface} of {app}"
            for app, interface in self.interfaces
            if self.scene.apps[app].link(interface)
        ]
        return found


def interfaces(document: str, instance: str) -> list[tuple[str, str]]:
    """Applications that are in an instance, each with its interface's name; a virtual machine's is its own matter."""
    specs = {d["metadata"]["name"]: d["spec"] for d in yaml.safe_load_all(document) if d["kind"] == "App"}
    return [
        (app, one["name"])
        for app, spec in specs.items()
        for one in spec["interfaces"]
        if one["network"] == instance and not spec["attach"].get("tap")
    ]

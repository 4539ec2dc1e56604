"""The proof of ``netnsmgr why --live``: a packet sent as the application would, followed through the kernel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from netnsmgr.cli.inside import Inside
from netnsmgr.cli.place import NETNS_DIR, Place
from netnsmgr.core.ip import endpoint
from netnsmgr.core.protocols import FAMILY_OF, PROTOCOLS
from netnsmgr.errors import KernelError

if TYPE_CHECKING:
    from netnsmgr.kernel.inside import Child
    from netnsmgr.supervisor.site import Site

Answer = Mapping[str, Any]
TIMEOUT = 1.5
"""Seconds to wait for an answer to the packet."""
PATIENCE = 10.0
SENDABLE = ("tcp", "udp", "icmp", "icmpv6")


def prove(place: Place, site: Site, inside: Inside, answer: Answer) -> dict[str, Any]:
    """Send the packet that an answer is about; what the kernel made of it, or why it could not be tried.

    ``allowed`` is None where nothing could be sent.  Nothing stays behind, however this ends.
    """
    if reason := _why_not(site, inside, answer):
        return {"allowed": None, "said": f"no packet was sent: {reason}"}
    try:
        return _prove(place, site, inside, answer)
    except KernelError as error:
        return {"allowed": None, "said": f"no packet was sent: {error}"}


def _why_not(site: Site, inside: Inside, answer: Answer) -> str:
    flow = answer["flow"]
    if flow["protocol"] not in SENDABLE:
        return f"only {', '.join(SENDABLE)} can be sent, not {flow['protocol']}"
    if answer["sender"] == "outside":
        return "what comes from outside of the device can only be sent from there; --from device sends from the device itself"
    if site.scope(answer["network"]).instance.is_switch:
        return "packets are not followed through a switch"
    app = site.config.apps[answer["app"]]
    if answer["sender"] == "application" and app.spec.attach.tap:
        return f"{app.name} is a virtual machine behind a TAP device; only it can send as itself"
    if not flow["src"]:
        return f"{answer['app']}/{answer['interface']} has no address"
    if not flow["dst"]:
        return "the destination's address is not known"
    if not answer["passes"]:
        return "it would not leave the application"
    return next(filter(None, map(inside.why_not, answer["passes"])), "")


def _prove(place: Place, site: Site, inside: Inside, answer: Answer) -> dict[str, Any]:
    from netnsmgr.kernel.inside import Child
    from netnsmgr.supervisor.proof import compare, judge

    flow, networks = answer["flow"], answer["passes"]
    with ExitStack() as stack:
        sender = stack.enter_context(Child("netnsmgr.services.send", _namespace(place, site, answer)))
        number = sender.hear_after(_packet(site, answer), PATIENCE)["number"]
        tracers: dict[str, Child] = {}
        for network in networks:
            child = stack.enter_context(Child("netnsmgr.services.trace", os.path.join(NETNS_DIR, network)))
            child.say(_matches(site, answer, network == networks[0], number))
            tracers[network] = child
        for child in tracers.values():
            child.hear(PATIENCE)
        said = sender.hear_after("now", PATIENCE)["said"]
        seen = {network: child.hear_after("enough", PATIENCE) for network, child in tracers.items()}
    judged = {
        network: judge(each["steps"], each["passed"], inside.numbers(network).get("blocks") or ())
        for network, each in seen.items()
    }
    stopped = next((n for n, each in judged.items() if each["verdict"] in {"drop", "reject"}), None)
    arrived = judged[networks[0]]["verdict"] != "nothing"
    # Between two instances lies the device's root namespace, where nobody follows.
    lost = next(
        (n for n in networks[1:] if arrived and not stopped and judged[n]["verdict"] == "nothing"), None
    )
    result: dict[str, Any] = {
        "outcome": said,
        "verdict": judged[stopped]["verdict"] if stopped else "accept" if arrived and not lost else "nothing",
        "allowed": (not stopped and not lost) if arrived else None,
        "chains": {network: each["chains"] for network, each in judged.items() if each["chains"]},
        "rules": [rule for each in judged.values() for rule in each["rules"]],
        "lists": [said for each in judged.values() for said in each["lists"]],
        "differs": "",
    }
    seen_from = endpoint(flow["src"], number) if "dport" in flow else flow["src"]
    what = f"{flow['protocol']} from {seen_from}"
    if not arrived:
        result["said"] = f"{what} did not reach {networks[0]}: {said} (does anybody there have the address?)"
        return result
    result["differs"] = compare(answer, list(judged.values()))
    words = {"drop": "dropped", "reject": "rejected"}
    if stopped:
        verdict = f"{words[judged[stopped]['verdict']]} in {stopped}"
    elif lost:
        verdict = f"accepted in {networks[0]}, but did not reach {lost}"
    else:
        verdict = f"accepted in {' and '.join(networks)}"
    result["said"] = f"{what} was sent and {verdict}; {said}"
    return result


def _namespace(place: Place, site: Site, answer: Answer) -> str | None:
    """Return where the sender lives; None for the device itself, where this command runs."""
    if answer["sender"] == "device":
        return None
    return site.config.apps[answer["app"]].spec.attach.path(place.run_dir)


def _packet(site: Site, answer: Answer) -> dict[str, Any]:
    flow = answer["flow"]
    device = answer["sender"] == "device"
    return {
        "protocol": PROTOCOLS[flow["protocol"]],
        "interface": site.linked(answer["network"]).link if device else answer["interface"],
        "source": flow["src"],
        "port": answer["sourcePort"],
        "dst": flow["dst"],
        "dport": flow.get("dport", 0),
        "timeout": TIMEOUT,
    }


def _matches(site: Site, answer: Answer, first: bool, number: int) -> dict[str, list[str]]:
    """Return what tells the packet from all others, for the bridge and for what comes over the link."""
    flow, protocol = answer["flow"], PROTOCOLS[answer["flow"]["protocol"]]
    icmp = {4: "icmp", 6: "icmpv6"}.get(FAMILY_OF.get(protocol, 0))
    own = f"{icmp} type echo-request {icmp} id {number}" if icmp else f"th sport {number}"
    own = f"meta l4proto {protocol} {own}"
    bridge = []
    if first and answer["sender"] == "application":
        vif = site.app_row(answer["network"], answer["app"], answer["interface"]).get("vif")
        if not vif:
            raise KernelError(f"{answer['app']}/{answer['interface']} is not attached")
        ip = "ip6" if ":" in flow["dst"] else "ip"
        bridge = [f'iifname "{vif}" {ip} saddr {flow["src"]} {ip} daddr {flow["dst"]} {own}']
    return {"bridge": bridge, "inet": [f'iifname "uplink" {own}']}

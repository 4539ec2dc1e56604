"""The answers of ``netnsmgr why`` as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from netnsmgr.cli import output

Answer = Mapping[str, Any]

VERDICTS = {"drop": "dropped", "reject": "rejected, with an answer that says so"}
DENIED = {"drop": "dropped", "reject": "rejected"}
DOES = {"allow": "allows", "drop": "drops", "reject": "rejects", "limit": "allows, up to its limit"}


def show(answer: Answer) -> None:
    """Print one answer: the verdict first, then why, then the way."""
    output.say(f"{click.style(_title(answer), bold=True)}: {_verdict(answer)}")
    if answer["reason"]:
        output.say(f"  because {answer['reason']}")
    if answer["service"]:
        output.say(f"  {answer['service']}")
    for said in answer["lists"]:
        output.say(f"  {_list(said)}")
    if answer["path"]:
        output.say("  The way:")
        width = max(len(hop["at"]) for hop in answer["path"])
        for hop in answer["path"]:
            output.say(f"    {hop['at'].ljust(width)}  {hop['what']}")
            if len(hop.get("ports", ())) > 1:
                output.say(f"    {' ' * width}  ports, in order: {'; '.join(hop['ports'])}")
    for other in answer.get("others", ()):
        output.say(f"  {_other(answer, other)}")
    for note in answer["notes"]:
        output.say(f"  note: {note}")
    if answer.get("live"):
        _live(answer["live"])


def _title(answer: Answer) -> str:
    flow = answer["flow"]
    end = f"{answer['app']}/{answer['interface']} in {answer['network']}"
    what = flow["protocol"] if "dport" not in flow else f"port {flow['dport']}/{flow['protocol']}"
    what = f"{flow['protocol']} {flow['type']}" if "type" in flow else what
    if answer["direction"] == "out":
        where = flow.get("name") or flow["dst"]
        resolved = f" ({flow['dst']})" if flow.get("name") and flow["dst"] else ""
        return f"{end} → {where}{resolved} {what}"
    asked = f" at {flow['dst']}" if flow["dst"] else ""
    return f"{flow['src'] or 'somebody'} → {end}{asked} {what}"


def _verdict(answer: Answer) -> str:
    if answer["allowed"]:
        limited = ", up to a limit" if answer["verdict"] == "limit" else ""
        return click.style("allowed", fg="green") + limited
    if answer["verdict"] in VERDICTS:
        return click.style(VERDICTS[answer["verdict"]], fg="red")
    return click.style("leads nowhere", fg="red")


def _other(answer: Answer, other: Mapping[str, Any]) -> str:
    """Say what becomes of the flow at another of the target's addresses, where that is something else."""
    if (other["verdict"], other["allowed"]) == (answer["verdict"], answer["allowed"]):
        return f"also {other['dst']}"
    six = ":" in other["dst"]
    own = six == (":" in (answer["flow"]["dst"] or ""))
    where = f"also {other['dst']}" if own else f"by IPv{6 if six else 4} ({other['dst']})"
    verdict = other["verdict"]
    if other["reason"]:
        return f"{where}: leads nowhere, because {other['reason']}"
    if other["service"]:
        return f"{where}: {other['service']}"
    lists = [said for said in other["lists"] if said["asked"] and said["hasList"]]
    # Of two lists that allow, the application's own; else the one that denies.
    denied = (said for said in lists if said["action"] == verdict)
    said = next(denied if verdict in DENIED else iter(lists), None)
    word = DENIED.get(verdict, "allowed, up to a limit," if verdict == "limit" else "allowed")
    if said is None:
        return f"{where}: {word.rstrip(',')}"
    rule = f"rule {said['rule']}" if said["rule"] else "the default"
    mine = (said["app"], said["interface"]) == (answer["app"], answer["interface"])
    whose = "" if mine else f" of {said['app']}/{said['interface']}"
    return f"{where}: {word} by {rule}{whose}"


def _list(said: Mapping[str, Any]) -> str:
    whose = f"{said['app']}/{said['interface']}"
    if not said["hasList"]:
        return f"{whose} has no access list: everything is allowed"
    # The list that was not asked is told all the same: who opens the first one wants to know.
    does = DOES[said["action"]] if said["asked"] else "is not asked any more: it"
    does = does if said["asked"] else f"{does} {DOES[said['action']]}"
    if said["rule"] == 0:
        return (
            f"the list of {whose}, direction {said['direction']}, {does} it by its default: {said['words']}"
        )
    return f"the list of {whose}, direction {said['direction']}, {does} it by rule {said['rule']}: {said['words']}"


def _live(live: Mapping[str, Any]) -> None:
    output.say(f"  {click.style('Proof', bold=True)}: {live['said']}")
    for network, chains in live.get("chains", {}).items():
        output.say(f"    in {network}: {' → '.join(chains)}")
    for line in live.get("rules", ()):
        output.say(f"    {line}")
    if live.get("differs"):
        output.say(f"  {click.style('DIFFERS', fg='red')} from what was expected: {live['differs']}")

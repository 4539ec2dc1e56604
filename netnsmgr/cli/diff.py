"""``netnsmgr diff``: what applying files would change, without doing it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.changes import ABSENT, Delta, deltas
from netnsmgr.cli.files import check_here, read, refusal
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.options import file_arguments
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import CONFIG_TABLES
from netnsmgr.errors import ConfigError
from netnsmgr.pubsub.row import WireError

SIGNS = {
    "created": ("+", "green"),
    "changed": ("~", "yellow"),
    "pruned": ("-", "red"),
    "deleted": ("-", "red"),
}
VERBS = {"create": "green", "modify": "yellow", "replace": "yellow", "delete": "red"}


@click.command("diff")
@file_arguments
@click.option(
    "--prune", is_flag=True, help="As with 'apply --prune': what is not in the files would be deleted."
)
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    metavar="N [M]",
    help="Instead of files: what 'rollback N' would change; with M, what is different in M since N.",
)
@click.option("--all", "everybody", is_flag=True, help="With --revision N: as with 'rollback --all'.")
@output.formats("text", "json", "yaml", default="text")
@pass_place
def command(
    place: Place,
    files: tuple[str, ...],
    more: tuple[str, ...],
    prune: bool,
    revision: int | None,
    everybody: bool,
    fmt: str,
) -> int:
    """Show what 'netnsmgr apply FILES' would change: in the documents, in the kernel, and whom it disturbs.

    With --revision N the same of 'netnsmgr rollback N'; with --revision N M the documents in which these two revisions
    differ. Secrets are never shown: they are not in the documents, and texts that may hold some are veiled.

    Exit code 0: nothing would change; 1: something would.
    """
    if revision is not None:
        from netnsmgr.cli import diff_revision

        if more or prune or len(files) > 1 or not all(file.isdigit() for file in files):
            raise click.UsageError("--revision N takes the number of another revision, or nothing more")
        with Daemon(place) as daemon:
            if files:
                return _show(diff_revision.between(daemon, revision, int(files[0])), {}, fmt)
            return _show(*diff_revision.rollback(daemon, revision, everybody=everybody), fmt)
    if everybody:
        raise click.UsageError("--all goes with --revision N")
    loaded = read(files, more, place)
    with Daemon(place) as daemon:
        existing = daemon.rows(*CONFIG_TABLES)
        changes = deltas(loaded.documents, existing, prune=prune)
        pending = [delta for delta in changes if delta.action != "unchanged"]
        try:
            answer = daemon.call("plan", {"documents": loaded.documents, "prune": prune})
        except ConfigError as error:
            raise refusal(loaded, changes, error.problems) from None
        except WireError:
            check_here(loaded, existing)
            raise
    if answer.get("problems"):
        raise refusal(loaded, changes, answer["problems"])
    return _show(pending, answer.get("agents", {}), fmt)


def _show(pending: list[Delta], plans: Mapping[str, Any], fmt: str) -> int:
    agents = {name: plan for name, plan in plans.items() if plan.get("operations")}
    if fmt != "text":
        output.data({"documents": [_record(delta) for delta in pending], "agents": agents}, fmt)
    elif pending or agents:
        _print(pending, agents)
    else:
        output.say("no differences")
    return 1 if pending or agents else 0


def _print(pending: list[Delta], agents: Mapping[str, Any]) -> None:
    for delta in pending:
        sign, colour = SIGNS[delta.action]
        output.say(click.style(f"{sign} {delta.label}", fg=colour))
        if delta.action == "changed":
            for field in delta.fields():
                output.say(f"    {field.path}: {_shown(field.old)} -> {_shown(field.new)}")
    for name, plan in sorted(agents.items()):
        output.say(click.style(f"agent {name}: {len(plan['operations'])} operations", bold=True))
        for operation in plan["operations"]:
            verb, _, rest = str(operation).partition(" ")
            output.say(f"    {click.style(verb, fg=VERBS.get(verb))} {rest}")
        for disturbed in plan.get("disturbs", ()):
            output.say(click.style(f"    disturbs {disturbed}", fg="red"))
    if agents and not any(plan.get("disturbs") for plan in agents.values()):
        output.say("nothing that runs is disturbed")


def _shown(value: Any) -> str:
    return "(none)" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def _record(delta: Delta) -> dict[str, Any]:
    """Return a delta as data; a field that is not there on one side has no ``old`` or no ``new``."""
    record: dict[str, Any] = {"kind": delta.kind.name, "name": delta.name, "action": delta.action}
    if delta.action == "changed":
        record["fields"] = [
            {"path": field.path}
            | ({} if field.old is ABSENT else {"old": field.old})
            | ({} if field.new is ABSENT else {"new": field.new})
            for field in delta.fields()
        ]
    return record

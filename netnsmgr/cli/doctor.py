"""``netnsmgr doctor``: what this machine lacks, what that costs, and how to get it."""

from __future__ import annotations

from dataclasses import asdict

import click

from netnsmgr.cli import options, output
from netnsmgr.cli.place import Place, pass_place

WORDS = {True: ("ok", "green"), None: ("?", "yellow")}


@click.command("doctor")
@output.formats("text", "json", "yaml", default="text")
@options.engine
@pass_place
def command(place: Place, fmt: str, engine: str) -> int:
    """Check kernel, tools and privileges; say what each missing piece costs and how to get it.

    Nothing is changed: what has to be tried is tried in a network namespace made for it and gone at once.
    Exit code 1 if something is missing that netnsmgr cannot do without.
    """
    from netnsmgr.kernel.doctor import examine

    checks = examine(place.run_dir, place.state_dir, engine)
    lacking = [check for check in checks if check.required and not check.ok]
    if fmt != "text":
        output.data({"ok": not lacking, "checks": [asdict(check) for check in checks]}, fmt)
        return 1 if lacking else 0
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            output.say(click.style(group, bold=True))
        word, colour = WORDS.get(check.ok) or (
            ("missing", "red") if check.required else ("missing", "yellow")
        )
        output.say(f"  {click.style(word.ljust(8), fg=colour)} {check.name.ljust(20)} {check.detail}")
        if not check.ok:
            output.say(f"           costs: {check.costs}{'' if check.required else ' (optional)'}")
            if check.fix:
                output.say(f"           to do: {check.fix}")
    if lacking:
        output.say(f"\nmissing: {', '.join(check.name for check in lacking)}", err=True)
        return 1
    output.say("\nall that is required is there")
    return 0

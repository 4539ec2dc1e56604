"""``netnsmgr flows``: what applications' flows were, what was dropped, what names they asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from netnsmgr.cli import output
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.objects import known, names
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import APP, INSTANCE
from netnsmgr.client.readiness import Rows, interfaces
from netnsmgr.core.ip import endpoint
from netnsmgr.pubsub.tables import FLOW_LOG

Record = Mapping[str, Any]
WATCH_SECONDS = 3600.0
"""How long one wait for news may last before the next begins."""

FLOWS = [
    "TIME",
    "APP",
    "DIRECTION",
    "PROTOCOL",
    "FROM",
    "TO",
    "TRANSLATED",
    "PACKETS",
    "BYTES",
    "RULE",
    "VERDICT",
    "DURATION",
]
FLOW_WIDTHS = (8, 12, 9, 8, 22, 28, 23, 9, 13, 8, 7, 8)
QUESTIONS = ["TIME", "APP", "QUERY", "NAME", "STATUS", "TTL", "ANSWERS"]
QUESTION_WIDTHS = (8, 12, 5, 36, 8, 5, 0)


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    options = ctx.find_root().params
    try:
        with Daemon(Place(options["run_dir"], options["state_dir"]), timeout=0.5) as daemon:
            return [name for name in names(APP, daemon.rows(APP.config)) if name.startswith(incomplete)]
    except Exception:
        # Without a daemon there is nothing to offer, and a traceback between keystrokes helps nobody.
        return []


@click.command("flows")
@click.argument("app", required=False, shell_complete=_complete)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@click.option("--dropped", is_flag=True, help="Only what was dropped, rejected or over a limit.")
@click.option("--dns", is_flag=True, help="The names that were asked for, instead of flows.")
@click.option(
    "-n", "count", type=click.IntRange(min=0), default=50, show_default=True, help="The newest N records."
)
@output.formats("table", "json")
@pass_place
def command(
    place: Place, app: str | None, follow: bool, dropped: bool, dns: bool, count: int, fmt: str
) -> int:  # fmt: skip
    """Show the flow log of application APP, or of all: the newest 200 records of each are kept.

    A flow is there from its beginning; packets and bytes (out/back) are known at its end. RULE is the id of the rule
    that decided, "default" where none of a list matched, "-" where there is no list. TRANSLATED is what the source
    becomes ("SOURCE >") or the destination ("> DESTINATION").
    With --follow, json is one object a line.
    """
    if dns and dropped:
        raise click.UsageError(
            "--dns and --dropped exclude each other: questions are not dropped, packets are"
        )
    chosen = _questions if dns else _dropped if dropped else _flows
    with Daemon(place) as daemon:
        rows = daemon.rows(APP.config, APP.status, INSTANCE.config, FLOW_LOG)
        if app is not None:
            known(APP, app, rows)
        if not _switched_on(app, rows):
            return 1
        seen: dict[str, int] = {}
        first = [record for record in _news(rows[FLOW_LOG], app, seen) if chosen(record)]
        shown = sorted(first, key=_moment)[-count:] if count else []
        if follow:
            _follow(daemon, app, chosen, shown, seen, fmt, dns=dns)
        elif fmt == "json":
            output.data({"kind": "List", "items": shown}, fmt)
        elif shown:
            line = _question if dns else _flow
            output.table(QUESTIONS if dns else FLOWS, map(line, shown))
        else:
            output.say("nothing is recorded yet", err=True)
        if not follow and (lost := _lost(rows[FLOW_LOG], app)):
            output.say(f"{lost} more were not recorded: they came faster than they could be read", err=True)
    return 0


def _follow(
    daemon: Daemon,
    app: str | None,
    chosen: Callable[[Record], bool],
    shown: Sequence[Record],
    seen: dict[str, int],
    fmt: str,
    *,
    dns: bool,
) -> None:
    headings = QUESTIONS if dns else FLOWS
    # They grow with what comes, as an address of IPv6 may be three times as long as one of IPv4.
    widths = list(QUESTION_WIDTHS if dns else FLOW_WIDTHS)
    line = _question if dns else _flow

    def show(records: Sequence[Record]) -> None:
        for record in records:
            if fmt == "json":
                click.echo(output.json_text(record), color=False)
            else:
                output.say(_padded(line(record), widths))

    if fmt != "json":
        output.say(_padded(headings, widths))
    show(shown)
    while True:
        for rows, _ in daemon.watch(FLOW_LOG, timeout=WATCH_SECONDS):
            news = [record for record in _news(rows[FLOW_LOG], app, seen) if chosen(record)]
            show(sorted(news, key=_moment))


def _news(rows: Mapping[str, Any], app: str | None, seen: dict[str, int]) -> Iterator[Record]:
    """Yield the records that were not seen; ``seen`` says up to which number they were, by row."""
    for key, row in rows.items():
        if app is not None and row["app"] != app:
            continue
        if row["seq"] < seen.get(key, 0):
            seen[key] = 0  # the log of an instance that was made anew
        for record in row["records"]:
            if record["n"] > seen.get(key, 0):
                yield {"app": row["app"], "network": row["network"], **record}
        seen[key] = row["seq"]


def _switched_on(app: str | None, rows: Rows) -> bool:
    """Say which networks have no flow log, and how to have one; False if none has."""
    instances = rows[INSTANCE.config]
    if app is None:
        networks = sorted(instances)
    else:
        networks = sorted(
            {i["network"] for i in interfaces(rows[APP.config].get(app) or {"spec": {"interfaces": []}})}
        )
    off = [name for name in networks if not (instances.get(name) or {}).get("spec", {}).get("flowLog")]
    if not networks:
        output.say("there are no network instances", err=True)
    elif off and (app is not None or len(off) == len(networks)):
        listed = ", ".join(off)
        output.say(
            f"the flow log is off in {listed}: write 'flowLog: true' beneath 'spec' of "
            f"{'this NetworkInstance' if len(off) == 1 else 'these NetworkInstances'} and apply it",
            err=True,
        )
    return len(off) < len(networks)


def _lost(rows: Mapping[str, Any], app: str | None) -> int:
    # Nobody knows whose it was, so that each row of a network says the same number.
    by_network = {row["network"]: int(row["lost"]) for row in rows.values() if app in (None, row["app"])}
    return sum(by_network.values())


def _flows(record: Record) -> bool:
    return bool(record["type"] != "dns")


def _dropped(record: Record) -> bool:
    return record["type"] == "drop" or record.get("verdict") in {"drop", "reject"}


def _questions(record: Record) -> bool:
    return bool(record["type"] == "dns")


def _moment(record: Record) -> float:
    return float(record["end"] or record["start"])


def _flow(record: Record) -> list[str]:
    src, dst = _end(record, "src", "sport"), _end(record, "dst", "dport")
    if record.get("nat64"):
        dst = f"{dst} ({record['nat64']})"
    if peer := record.get("peer"):
        named = peer if peer.startswith("(") else f"({peer})"
        src, dst = (f"{src} {named}", dst) if record["direction"] == "in" else (src, f"{dst} {named}")
    rule, protocol = record["rule"], record["protocol"]
    if "icmpType" in record:
        protocol = f"{protocol} {record['icmpType']}/{record['icmpCode']}"
    return [
        _clock(_moment(record)),
        record["app"],
        record["direction"],
        protocol,
        src,
        dst,
        _translated(record),
        _both(record, "packets"),
        _both(record, "bytes"),
        record.get("service") or ("-" if rule is None else str(rule) if rule else "default"),
        record["verdict"],
        "open" if record["end"] is None else f"{record['end'] - record['start']:.1f}s",
    ]


def _question(record: Record) -> list[str]:
    answers = ",".join(record["answers"]) or "-"
    more = f" and {record['more']} more" if record.get("more") else ""
    ttl = "-" if record["ttl"] is None else str(record["ttl"])
    return [
        _clock(record["start"]), record["app"], record["query"], record["name"], record["status"], ttl, answers + more,
    ]  # fmt: skip


def _translated(record: Record) -> str:
    """Return what translation makes of a flow's ends: ``SOURCE >``, ``> DESTINATION``, or both; an end that stays is left out."""
    changed = record.get("translated")
    # NAT64: the target stands beside its address already, and the sender becomes one between us and the translator.
    if not changed or record.get("nat64"):
        return "-"
    src, dst = _end(changed, "src", "sport"), _end(changed, "dst", "dport")
    before = src if src != _end(record, "src", "sport") else ""
    behind = dst if dst != _end(record, "dst", "dport") else ""
    return f"{before} > {behind}".strip() if before or behind else "-"


def _end(side: Record, address: str, port: str) -> str:
    if port not in side:
        return str(side[address])
    return endpoint(side[address], side[port])


def _both(record: Record, what: str) -> str:
    if record["type"] == "flow" and record["end"] is None:
        return "-"  # conntrack tells them at the end
    there, back = record[what]
    return f"{there}/{back}" if record["type"] == "flow" else str(there)


def _clock(epoch: float) -> str:
    """Return the time of day, with the date if that was not within a day."""
    text = output.time_of(epoch)[:19]
    return text[11:] if abs(time.time() - epoch) < 86400 else text


def _padded(cells: Sequence[str], widths: list[int]) -> str:
    """Return a line of these columns, which become as wide as they have to be; the last one stays."""
    widths[:-1] = map(max, widths[:-1], map(len, cells))
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

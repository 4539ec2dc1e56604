"""``netnsmgr bugreport``: everything that somebody else needs to find a fault, in one archive, without secrets."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from netnsmgr import __version__
from netnsmgr.cli import output, redaction
from netnsmgr.cli.hub import Daemon
from netnsmgr.cli.objects import TABLES
from netnsmgr.cli.place import Place, pass_place
from netnsmgr.client.kinds import CONFIG_TABLES
from netnsmgr.errors import NetnsmgrError
from netnsmgr.pubsub.row import Row
from netnsmgr.pubsub.tables import EVENT

CALLS = ("history", "revisions", "log-level")
"""What the daemon is asked beside its tables."""
Rows = dict[str, dict[str, Row]]
File = tuple[str, str]
"""A path within the archive, and its text."""


@click.command("bugreport")
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="The archive, a .tar.gz; - is standard output.  [default: netnsmgr-bugreport-TIME.tar.gz]",
)
@pass_place
def command(place: Place, path: str | None) -> int:
    """Write an archive with what is needed to find a fault: versions, doctor, configuration, statuses, events, history,
    and of each namespace links, routes, rules and tables of nft.

    Secrets are not in it: keys, pre-shared keys and user data are taken out, flow logs are left out. Names and addresses
    of your networks are in it: look at it before you give it to somebody. Works without a daemon, too, with what is left.
    """
    name = time.strftime("netnsmgr-bugreport-%Y%m%dT%H%M%SZ", time.gmtime())
    path = path or f"{name}.tar.gz"
    rows, files = _daemon(place)
    known = sorted(
        set(redaction.secrets(row for table in CONFIG_TABLES for row in rows.get(table, {}).values())),
        key=len,
        reverse=True,  # a text before its lines
    )
    missing = [text for file, text in files if file == "unreachable.txt"]
    with _open(path) as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for file, text in (*files, *_machine(place, rows)):
            data = redaction.without(text, known).encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(data))
    if missing:
        output.say(f"without what the daemon knows: {missing[0].strip()}", err=True)
    if os.geteuid() != 0:
        output.say("not run as root: much of the machine is missing in it", err=True)
    if path != "-":
        output.say(f"{path} ({os.path.getsize(path) // 1024} KiB)")
    return 0


def _open(path: str) -> Any:
    if path == "-":
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    try:
        # For nobody else: without its secrets it still tells a lot about the device.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchmod(fd, 0o600)  # a file that was there keeps the mode that it had
        return os.fdopen(fd, "wb")
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None


def _daemon(place: Place) -> tuple[Rows, list[File]]:
    """Return the daemon's tables, and the files made of all that it says; both are empty if there is none."""
    rows: Rows = {}
    files = []
    try:
        with Daemon(place) as daemon:
            rows = daemon.rows(*TABLES, EVENT)
            for name in CALLS:
                try:
                    files.append((f"daemon/{name}.json", _json(daemon.call(name, None))))
                except NetnsmgrError as error:
                    files.append((f"daemon/{name}.json", _json({"error": str(error)})))
    except NetnsmgrError as error:
        files.append(("unreachable.txt", f"{error}\n"))
    for table, found in rows.items():
        shown = {
            k: redaction.document(row) if table in CONFIG_TABLES else row for k, row in sorted(found.items())
        }
        files.append((f"daemon/{table}.json", _json(shown)))
    return rows, files


def _machine(place: Place, rows: Rows) -> Iterator[File]:
    from netnsmgr.kernel import gather
    from netnsmgr.kernel.doctor import examine

    yield "versions.txt", f"netnsmgr {__version__}\n{gather.versions()}"
    yield "doctor.json", _json([asdict(check) for check in examine(place.run_dir, place.state_dir, "")])
    for name, text in gather.answers(gather.MACHINE):
        yield f"machine/{name}", text
    yield "machine/processes.txt", gather.processes(str(place.run_dir))
    yield (
        "machine/metrics.txt",
        gather.run(
            f"curl -sS -m 5 --unix-socket {gather.shell_word(f'{place.run_dir}/metrics.sock')} http://x/metrics"
        ),
    )
    for directory, what in ((place.run_dir, "run"), (place.state_dir, "state")):
        yield f"machine/files-{what}.txt", gather.listing(str(directory))
    if not rows:
        yield "machine/events.jsonl", gather.tail(f"{place.state_dir}/events.jsonl")
    for name, text in gather.helper_files(str(place.run_dir)):
        yield name, text
    for name, text in gather.answers(gather.NETWORK):
        yield f"netns/root/{name}", text
    for instance in gather.instances(str(place.run_dir)):
        for name, text in gather.answers(gather.NETWORK, instance):
            yield f"netns/{instance}/{name}", text


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"

"""What goes over the sockets: values on one side, lists of frames on the other.

Two directions.  Clients send *requests* (DEALER to ROUTER); the hub sends *replies* to one client and *updates*
to all subscribers.  The rows of a snapshot are replies with the frames of an update; an update's first frame,
the topic, ends in a zero byte, and no other reply's does.

::

    update     topic, KVSYNC | KTHXBAI | KVPUB | HUGZ, epoch, seq (8 bytes), key, body
    request    SNAPSHOT, table
               PUT, id, writer, instance, flags, [[table, key, value | null], ...]
               RESTARTED, writer, instance, table
               CALL, id, name, value
    reply      ACK, id, revision | REFUSED, id, problems | RESULT, id, value | ERROR, id, text

Everything is checked here.  Whatever does not follow the form raises ``WireError`` and nothing else, so that
no peer, however broken, brings a process down.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from netnsmgr.core.clone import Cmd, Msg
from netnsmgr.errors import NetnsmgrError, Problem
from netnsmgr.pubsub.row import MAX_NAME, MAX_ROW, Change, WireError, check_changes, check_name, dump, load

HUB_SOCKET = "hub.sock"
"""Requests and replies, below the run directory."""
UPDATES_SOCKET = "updates.sock"
"""Updates, below the run directory."""

CONTROL = ""
"""The table without rows whose heartbeats tell a client that only publishes that the hub is another one."""
MARK = "\0"
"""First character of the key of a *mark*, a row that says "writer X has put everything it knew".  A mark is a row
so that snapshots, sequence and heartbeats hold for it as for the rest; no row of a user can have such a key."""


def socket_path(run_dir: str | os.PathLike[str], name: str) -> Path:
    """Where the socket is; NetnsmgrError if its path is too long for the kernel, for which ZeroMQ has no words."""
    path = Path(run_dir) / name
    if len(os.fsencode(path)) > 107:
        raise NetnsmgrError(f"{path}: a socket's path has at most 107 bytes; choose a shorter run directory")
    return path


class Snapshot(NamedTuple):
    """Request: all rows of a table."""

    table: str


class Put(NamedTuple):
    """Request: change these rows, all or none.  Without an ``id`` only a refusal is answered.

    ``instance`` is the writer's life: a restarted process has the same name and another instance.
    """

    id: bytes
    writer: str
    instance: bytes
    changes: tuple[Change, ...]
    takeover: bool = False
    replace: bool = False
    """These are all rows of configuration that the writer has; others of its own are deleted with them."""
    confirm: float = 0.0
    """Seconds within which the change is taken back unless it is confirmed; 0: it stays."""


class Restarted(NamedTuple):
    """Request: the writer has put all its rows of this table."""

    writer: str
    instance: bytes
    table: str


class Call(NamedTuple):
    """Request: have the named handler answer."""

    id: bytes
    name: str
    value: Any


class Ack(NamedTuple):
    """Reply: the put is done and, if it was configuration, on disk as this revision."""

    id: bytes
    revision: int


class Refused(NamedTuple):
    """Reply: nothing was changed, and why."""

    id: bytes
    problems: tuple[Problem, ...]


class Result(NamedTuple):
    """Reply: what the called handler returned."""

    id: bytes
    value: Any


class Failed(NamedTuple):
    """Reply: the called handler failed."""

    id: bytes
    text: str


class Update(NamedTuple):
    """A message of the Clone protocol and the table that it is about."""

    table: str
    msg: Msg


Request = Snapshot | Put | Restarted | Call
Answer = Ack | Refused | Result | Failed
Reply = Answer | Update


# -- Pieces --------------------------------------------------------------------------------------------------


def _name(what: str, frame: bytes) -> str:
    return check_name(what, _text(frame[: MAX_NAME + 1]))


def _text(frame: bytes) -> str:
    try:
        return frame.decode("utf-8")
    except UnicodeDecodeError:
        raise WireError("text is not UTF-8") from None


def _id(frame: bytes) -> bytes:
    if len(frame) > MAX_NAME:
        raise WireError(f"an id has at most {MAX_NAME} bytes")
    return frame


# -- Updates -------------------------------------------------------------------------------------------------


def topic(table: str) -> bytes:
    """What to subscribe to.  The zero byte keeps ``AgentConfig/a`` from also meaning ``AgentConfig/ab``."""
    return table.encode() + b"\0"


def table_of(topic: bytes) -> str:
    """The table of a topic."""
    if topic == b"\0":
        return CONTROL
    if not topic.endswith(b"\0"):
        raise WireError("a topic ends in a zero byte")
    return _name("a table", topic[:-1])


def encode_update(table: str, m: Msg) -> list[bytes]:
    """The frames of one message about a table."""
    return [topic(table), m.cmd.value.encode(), m.epoch, m.seq.to_bytes(8, "big"), m.key.encode(), m.body]


def decode_update(frames: Sequence[bytes]) -> Update:
    """The message about a table that these frames are."""
    if len(frames) != 6:
        raise WireError(f"an update has 6 frames, this one has {len(frames)}")
    name, cmd, epoch, seq, key, body = frames
    verb = _VERBS.get(cmd)
    if verb is None or len(seq) != 8 or not 0 < len(epoch) <= MAX_NAME or len(key) > MAX_NAME + 1:
        raise WireError("not an update")
    if len(body) > MAX_ROW:
        raise WireError(f"a row of {len(body)} bytes; at most {MAX_ROW} are allowed")
    return Update(table_of(name), Msg(verb, epoch, int.from_bytes(seq, "big"), _text(key), body))


_VERBS = {cmd.value.encode(): cmd for cmd in Cmd}


# -- Requests ------------------------------------------------------------------------------------------------


def encode_request(request: Request) -> list[bytes]:
    """The frames of a request; WireError if it holds what cannot be sent."""
    match request:
        case Snapshot(table):
            return [b"SNAPSHOT", table.encode()]
        case Put(id, writer, instance, changes):
            check_changes(changes, least=not request.replace)
            return [b"PUT", id, writer.encode(), instance, _flags(request), dump(changes)]
        case Restarted(writer, instance, table):
            return [b"RESTARTED", writer.encode(), instance, table.encode()]
        case Call(id, name, value):
            return [b"CALL", id, name.encode(), dump(value)]


def decode_request(frames: Sequence[bytes]) -> Request:
    """The request that these frames are."""
    match list(frames):
        case [b"SNAPSHOT", table]:
            return Snapshot(_name("a table", table))
        case [b"PUT", id, writer, instance, flags, body] if found := _FLAGS.fullmatch(flags):
            changes = load(body)
            if not isinstance(changes, list):
                raise WireError("the changes of a put are a list")
            takeover, replace, confirm = found.groups()
            return Put(
                _id(id),
                _name("a writer", writer),
                _id(instance),
                check_changes(changes, least=replace is None),
                takeover=takeover is not None,
                replace=replace is not None,
                confirm=int(confirm or 0) / 1000,
            )
        case [b"RESTARTED", writer, instance, table]:
            return Restarted(_name("a writer", writer), _id(instance), _name("a table", table))
        case [b"CALL", id, name, body]:
            return Call(_id(id), _name("a call", name), load(body))
    raise WireError(
        f"not a request: {len(frames)} frames, the first is {bytes(frames[0][:20]) if frames else b''!r}"
    )


# "takeover", "replace" and the milliseconds of "confirm", in this order; each that is not the case is left out.
_FLAGS = re.compile(rb"(takeover ?)?(replace ?)?(?:confirm=(\d{1,10}))?")


def _flags(put: Put) -> bytes:
    words = [b"takeover"] * put.takeover + [b"replace"] * put.replace
    if put.confirm:
        words.append(b"confirm=%d" % max(1, round(put.confirm * 1000)))
    return b" ".join(words)


# -- Replies -------------------------------------------------------------------------------------------------


def encode_answer(answer: Answer) -> list[bytes]:
    """The frames of the answer to a put or a call."""
    match answer:
        case Ack(id, revision):
            return [b"ACK", id, b"%d" % revision]
        case Refused(id, problems):
            return [b"REFUSED", id, dump([_problem_out(p) for p in problems])]
        case Result(id, value):
            return [b"RESULT", id, dump(value)]
        case Failed(id, text):
            return [b"ERROR", id, dump(text)]


def decode_reply(frames: Sequence[bytes]) -> Reply:
    """The answer, or the piece of a snapshot, that these frames are."""
    match list(frames):
        case [b"ACK", id, number] if number.isdigit() and len(number) <= 20:
            return Ack(_id(id), int(number))
        case [b"REFUSED", id, body]:
            problems = load(body)
            if not isinstance(problems, list):
                raise WireError("problems are a list")
            return Refused(_id(id), tuple(map(_problem_in, problems)))
        case [b"RESULT", id, body]:
            return Result(_id(id), load(body))
        case [b"ERROR", id, body]:
            return Failed(_id(id), str(load(body)))
    return decode_update(frames)


def _problem_out(p: Problem) -> dict[str, object]:
    return {"what": p.what, "where": list(p.where), "document": p.document,
            "file": p.file, "line": p.line, "column": p.column}  # fmt: skip


def _problem_in(value: object) -> Problem:
    match value:
        case {"what": str(what), "where": list(where), "document": int(document),
              "file": str(file), "line": int(line), "column": int(column)}:  # fmt: skip
            path = tuple(w if isinstance(w, int) else str(w) for w in where)
            return Problem(what, path, document, file, line, column)
    raise WireError("not a problem")

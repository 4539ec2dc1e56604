"""What an agent says by its pipe: a supervisor with all rights takes in lines of text, and nothing makes it wait."""

from __future__ import annotations

import os
import pickle
from multiprocessing import Pipe

from netnsmgr.agent.words import MAX_BYTES, MAX_TEXT, Listener, say


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


def test_lines() -> None:
    listen, speak = Pipe(duplex=False)
    listener = Listener(listen)
    assert listener.heard() == []
    say(speak, counters={"passes": 1})
    say(speak, end="ü" * 2 * MAX_TEXT)
    assert listener.heard() == [{"counters": {"passes": 1}}, {"end": "ü" * MAX_TEXT}]
    speak.close()
    assert listener.heard() == []


def test_whatever_is_written() -> None:
    """Objects of Python, lengths without content, lines without an end: nothing happens, and what follows is heard."""
    listen, speak = Pipe(duplex=False)
    listener = Listener(listen)
    for data in (pickle.dumps(Evil()), b"\x7f\xff\xff\xff", b"[" * 60_000, b"\xff\n[1]\n{}x\n"):
        os.write(speak.fileno(), data)
        assert listener.heard() == []
    os.set_blocking(speak.fileno(), False)
    for _ in range(3):
        os.write(speak.fileno(), b"x" * MAX_BYTES)
        assert listener.heard() == []
        assert len(listener._rest) <= MAX_BYTES
    os.write(speak.fileno(), b'\n{"end": "x"}\n')
    assert listener.heard() == [{"end": "x"}]


def test_nobody_listens() -> None:
    """A supervisor that takes nothing in, or is gone, holds no agent up."""
    listen, speak = Pipe(duplex=False)
    for _ in range(3000):
        say(speak, end="x" * MAX_TEXT)
    listen.close()
    say(speak, end="x")

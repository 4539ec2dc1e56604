"""On a terminal: live progress, colour, and Ctrl-C; with a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from tests.unit.cli.straw import SITE, Machine, Straw


class Terminal:
    """One command on a pseudo-terminal of 24 lines; ``text`` is what it has written so far."""

    def __init__(self, machine: Machine, *args: str, **env: str) -> None:
        self._master, slave = pty.openpty()
        argv = [sys.executable, "-m", "netnsmgr", "--run-dir", str(machine.run_dir), *args]
        clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CI")}
        environment = clean | {"TERM": "xterm", "COLUMNS": "100", "LINES": "24"} | env
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.text = ""

    def read_until(self, enough: Callable[[str], bool], timeout: float = 15.0) -> bool:
        """Read until the text is enough, the command ends, or time is over."""
        end = time.monotonic() + timeout
        while not enough(self.text) and (left := end - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0]:
                try:
                    data = os.read(self._master, 65536)
                except OSError:  # EIO: the other side is closed
                    break
                self.text += data.decode()
        return enough(self.text)

    def end(self) -> int:
        """Read the rest; return the exit code."""
        self.read_until(lambda text: False)
        os.close(self._master)
        return self.process.wait(10)


def test_live_progress(machine: Machine, straw: Straw) -> None:
    """The last picture stays: every object with its state in colour, and the sum."""
    terminal = Terminal(machine, "apply", machine.file(SITE))
    assert terminal.end() == 0
    assert "3 of 3 ready" in terminal.text
    assert "network-instance/ni1" in terminal.text
    assert "\x1b[32mready" in terminal.text


def test_reasons_once(machine: Machine, straw: Straw) -> None:
    """When time is over, reasons stand below the last picture at full length, and no more in it."""
    straw.status = {"state": "reconciling", "reasons": ["pending: port eth7"]}
    terminal = Terminal(machine, "apply", "--timeout", "0.5", machine.file(SITE))
    assert terminal.end() == 1
    shown, below = terminal.text.split("not ready after 0.5 s:")
    assert "port eth7" in shown[: shown.rindex("network-instance/ni1")]
    assert "port eth7" not in shown[shown.rindex("network-instance/ni1") :]
    assert below.count("pending: port eth7") == 2


def test_no_color(machine: Machine, straw: Straw) -> None:
    """With NO_COLOR there is no colour, on a terminal either."""
    terminal = Terminal(machine, "apply", machine.file(SITE), NO_COLOR="1")
    assert terminal.end() == 0
    assert "\x1b[32m" not in terminal.text
    terminal = Terminal(machine, "get", NO_COLOR="1")
    assert terminal.end() == 0
    assert "\x1b[" not in terminal.text


def test_many_objects_fit_the_screen(machine: Machine, straw: Straw) -> None:
    """With more objects than lines, those that are waited for are shown first."""
    one = SITE.split("---\n")[1]
    text = "---\n".join(one.replace("ni1", f"n{i}") for i in range(60))
    straw.status = {"state": "degraded", "reasons": ["because"]}
    terminal = Terminal(machine, "apply", "--timeout", "0.5", machine.file(text))
    assert terminal.end() == 1
    assert "(39 not shown)" in terminal.text


def test_interrupt(machine: Machine, straw: Straw) -> None:
    """Ctrl-C while waiting ends with 130 and without a traceback."""
    straw.slow = True
    terminal = Terminal(machine, "apply", machine.file(SITE))
    assert terminal.read_until(lambda text: "0 of 3 ready" in text)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "Traceback" not in terminal.text

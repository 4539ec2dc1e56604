"""Who hangs is noticed and started again, and the traffic does not notice; how much is logged changes meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from netnsmgr.pubsub.tables import EVENT
from tests.lab.lab import ROOT
from tests.scenarios.documents import app, device, instance
from tests.scenarios.traffic import Flow
from tests.scenarios.world import World

pytestmark = pytest.mark.root

TIMEOUT = 6
"""Seconds that an agent may be silent here."""


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World(options=("--log-level", "info", "--agent-timeout", f"{TIMEOUT}s")) as made:
        made.lab.app("app1")
        made.apply(device(), instance("ni1"), app("app1", "ni1"))
        made.lab.apps["app1"].dhcp()
        made.ready("ni1")
        yield made


def test_a_stopped_agent_is_started_again(w: World) -> None:
    """SIGSTOP: no sign of life, whatever is asked.  Not a packet is lost, and the event says what happened."""
    events = w.client.subscribe(EVENT)
    pid = w.agent("ni1")["pid"]
    with Flow(w.lab.apps["app1"]) as flow:
        w.lab.device.run(["kill", "-STOP", str(pid)])
        w.succeeded("ni1", pid)
        w.ready("ni1")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    said = f"killed: no sign of life for {TIMEOUT} s"
    assert w.agent("ni1")["cause"] == said
    w.until(lambda: any(row["message"].startswith(said) for row in events.rows.values()), "the event")


def test_a_stopped_fork_server_is_ended(w: World) -> None:
    """The daemon waits for it when an agent is to be started, but not for ever; then all agents are started anew."""
    before = {name: w.agent(name)["pid"] for name in ("ni1", "uplink")}
    server = min(w.pids("[f]orkserver import main"))
    with Flow(w.lab.apps["app1"]) as flow:
        w.lab.device.run(["kill", "-STOP", str(server)])
        w.kill(before["ni1"])
        for name, pid in before.items():
            w.succeeded(name, pid)
        w.ready("ni1")
    assert (flow.lost, flow.downloaded) == (0, "1000000 bytes")
    assert w.logged(0, event="the fork server hangs")


def test_an_agent_that_works_is_left_alone(w: World) -> None:
    """Longer than it may be silent: no agent is ended that shows signs of life."""
    restarts = {name: w.agent(name)["restarts"] for name in ("ni1", "uplink")}
    w.client.wait(lambda: False, 1.2 * TIMEOUT)
    assert {name: w.agent(name)["restarts"] for name in restarts} == restarts


def test_the_log_level_changes_at_run_time(w: World) -> None:
    """For one agent alone, for all, and for successors of theirs; nothing is started again for it."""

    def passes(agent: str, since: int) -> bool:
        w.sh(
            "ip link add dummy0 type veth peer dummy1 && ip link del dummy0",
            None if agent == "uplink" else agent,
        )
        return bool(w.logged(since, event="pass", agent=agent))

    pid = w.agent("ni1")["pid"]
    since = w.mark()
    assert w.command("log-level", "debug", "--agent", "ni1").stdout.split() == [
        "PROCESS",
        "LEVEL",
        "ni1",
        "debug",
    ]
    w.eventually(lambda: passes("ni1", since), "what ni1 does")
    assert not passes("uplink", since)
    assert w.agent("ni1")["pid"] == pid
    w.kill_agent("ni1")
    since = w.mark()
    w.eventually(lambda: passes("ni1", since), "what its successor does")
    w.command("log-level", "error")
    w.eventually(lambda: not passes("ni1", w.mark()), "silence")
    assert w.command("log-level", "-o", "json").stdout.count('"error"') == 3
    assert "there is no agent 'ni7'" in w.command("log-level", "debug", "--agent", "ni7", code=1).stderr
    w.command("log-level", "info")


class Systemd:
    """What systemd is to the daemon: a socket that is told, and a limit of silence."""

    def __init__(self, w: World) -> None:
        self._place = w.lab.path("/run/lab/systemd")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self._place))

    def heard(self, word: bytes, seconds: float) -> bool:
        """Whether this is said within so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if word in self.socket.recv(4096).split(b"\n"):
                    return True
            except TimeoutError:
                return False
        return False

    def close(self) -> None:
        self.socket.close()
        self._place.unlink()


def test_systemd_hears_of_a_daemon_that_answers_only(w: World) -> None:
    """WATCHDOG=1 again and again, none while the daemon is stopped, and again when it goes on."""
    w.stop()
    systemd = Systemd(w)
    argv = [sys.executable, "-m", "netnsmgr", "daemon"]
    env = {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": "/run/lab/systemd", "WATCHDOG_USEC": "900000"}
    daemon = w.lab.device.popen(argv, env=env, log="watched")
    try:
        assert systemd.heard(b"READY=1", 20)
        for _ in range(3):
            assert systemd.heard(b"WATCHDOG=1", 10)
        os.kill(daemon.pid, signal.SIGSTOP)
        while systemd.heard(b"WATCHDOG=1", 1.0):
            pass  # what was said before
        os.kill(daemon.pid, signal.SIGCONT)
        assert systemd.heard(b"WATCHDOG=1", 10)
    finally:
        daemon.stop()
        systemd.close()

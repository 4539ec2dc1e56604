"""Bad input of every kind: all faults are told at their places, nothing is changed, and the daemon goes on."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest
import zmq

from tests.lab import DaemonFailed, Lab
from tests.lab.lab import ROOT
from tests.scenarios.documents import app, device, instance
from tests.scenarios.refusals import PLACE, refused
from tests.scenarios.world import World

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        made.apply(device(), instance("ni1"), app("app1", "ni1"))
        yield made


TEN = """\
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni7}
spec:
  type: local
  ports: eth0
  subnets: [10.10.7.0/31]
  dhcp: {range: 10.10.7.50-10.10.7.40, leaseTime: 1}
  colour: red
---
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: Ni_8}
spec: {subnets: [10.10.8.0/24], mtu: 100}
---
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni9}
spec: {subnets: [10.10.9.0/24], gateways: [10.10.8.1]}
---
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: app7}
spec:
  attach: {netns: app7}
  interfaces:
    - {name: averyveryverylongname, network: ni1}
---
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: app8}
spec: {attach: {netns: app8}, interfaces: [{name: eth0, network: nix}]}
"""


def test_ten_errors_are_ten_lines(w: World) -> None:
    """A file with ten errors is refused with ten lines, each with line and column of its own error."""
    faults = (
        ("6:10", "ports"),
        ("7:13", "/31"),
        ("8:17", "reversed"),
        ("8:51", "unit"),
        ("9:3", "colour"),
        ("13:18", "Ni_8"),
        ("14:38", "100"),
        ("19:44", "10.10.8.1"),
        ("27:14", "21 bytes long"),
        ("32:66", "nix"),
    )
    said = refused(w, TEN)
    assert [":".join(line.split(":")[:2]) for line in said] == [place for place, _ in faults], said
    for line, (_, word) in zip(said, faults, strict=True):
        assert word in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1:1: .*(empty|no document)"),
        ("# only a comment\n---\n", ".*(empty|no document)"),
        ("kind: [", "2:1: "),
        ("\ta: 1", "1:1: "),
        ("- a\n- b\n", "1:1: "),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: x}\n", "1:7: .*Pod"),
        ("a: " + "[" * 5000, ".*"),
        ("kind: NetworkInstance\nkind: App\n", ".*2:1: duplicate key"),
        ("kind: \x00\n", ".*"),
    ],
    ids=["empty", "comment", "unfinished", "tab", "list", "kind", "deep", "twice", "zero byte"],
)  # fmt: skip
def test_text_that_is_no_configuration(w: World, text: str, words: str) -> None:
    """Text that is no configuration at all is refused in a sentence that says where and why."""
    said = refused(w, text)
    assert re.match(words, " ".join(said)), said
    assert "Traceback" not in str(said)


BOMB = """\
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni7}
spec:
  a: &a [x, x, x, x, x, x, x, x, x]
""" + "".join(f"  {b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghij"))


def test_a_bomb_of_aliases(w: World) -> None:
    """A file of 14 lines that stands for milliards of values is refused at its place, with little time and memory."""
    w.lab.path(PLACE).write_text(BOMB)
    apply = f"PYTHONPATH={ROOT} exec {sys.executable} -m netnsmgr apply {PLACE}"
    # Seconds of the processor, which do not depend on how busy the machine is; kibibytes of addresses.
    limited = w.lab.device.run(["sh", "-c", f"ulimit -t 2; ulimit -v 500000; {apply}"], check=False)
    fault = "10:10: aliases stand for more than 100000 values; write the values out"
    assert (limited.returncode, limited.stderr) == (2, f"error: {PLACE}:{fault}\n")
    assert refused(w, BOMB) == [fault]


def test_a_file_that_is_not_there(w: World) -> None:
    """A file that does not exist, or a directory without files, is named."""
    assert "/no/such.yaml" in w.command("apply", "/no/such.yaml", code=2).stderr
    w.lab.path("/etc/netnsmgr/empty").mkdir()
    assert "/etc/netnsmgr/empty" in w.command("apply", "/etc/netnsmgr/empty", code=2).stderr


def test_bytes_that_are_no_text(w: World) -> None:
    """A binary file is refused as such."""
    w.lab.path(PLACE).write_bytes(bytes(range(256)) * 10)
    result = w.command("apply", PLACE, code=2)
    assert result.stderr.startswith(f"error: {PLACE}")
    assert "Traceback" not in result.stderr


def test_no_daemon() -> None:
    """Without a daemon every command that needs one ends with 3 and says how to start it."""
    with Lab() as lab:
        lab.path(PLACE).write_text(TEN.split("---", maxsplit=1)[0])
        for arguments in (("get",), ("apply", PLACE), ("delete", "ni", "ni1"), ("wait", "ni/ni1")):
            result = lab.netnsmgr(*arguments)
            assert (result.returncode, result.stdout) == (3, "") or result.returncode == 2
            if arguments[0] != "apply":
                assert result.returncode == 3
                assert "start it with `netnsmgr daemon`" in result.stderr
        assert lab.netnsmgr("explain", "network-instance.spec.dhcp").returncode == 0


def test_a_daemon_that_was_killed(w: World) -> None:
    """A socket left behind by a daemon that was killed is told from one that answers."""
    w.crash()
    result = w.command("get", code=3)
    assert "left behind" in result.stderr
    w.restart()
    w.ready("ni1")


def test_a_second_daemon(w: World) -> None:
    """A second daemon in the same run directory is refused in a sentence; the first one goes on."""
    with pytest.raises(DaemonFailed, match="another netnsmgr daemon") as failed:
        w.lab.daemon()
    assert "Traceback" not in str(failed.value)
    w.command("get")


def test_not_root(w: World) -> None:
    """Without root, the daemon and `exec` say so."""
    # A user that is not root for the program, but may read the checkout wherever that is.
    user = f"PYTHONPATH={ROOT} unshare --user --map-user=1000 {sys.executable} -m netnsmgr"
    for command, words in (("daemon", "must run as root"), ("exec ni1 -- true", "needs root")):
        done = w.lab.device.run(["sh", "-c", f"{user} {command}"], check=False)
        assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (1, True, False), done


@pytest.mark.parametrize("name", ["hub.sock", "updates.sock"])
def test_garbage_on_a_socket(w: World, name: str) -> None:
    """Bytes that are no ZeroMQ, and frames that are no requests, cost nothing; what is ZeroMQ is logged."""
    path = w.lab.path(f"/run/netnsmgr/{name}")
    pid, since = w.daemon.pid, w.mark()
    for garbage in (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        os.urandom(5000),
        b"\xff" + bytes(8) + b"\x7f" + b"x" * 100,
    ):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            try:
                s.sendall(garbage)
            except BrokenPipeError:  # refused already
                pass
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER if name == "hub.sock" else zmq.SUB)
    dealer.setsockopt(zmq.LINGER, 1000)
    dealer.connect(f"ipc://{path}")
    if name == "hub.sock":
        for frames in ([b""], [b"x"] * 1000, [b"PUT"], [b"PUT", b"1", b"w", b"i", b"", b"[[[["], [b"SNAPSHOT", b"\xff\xfe"],
                       [b"PUT", b"1", b"w", b"i", b"", b"[" * 100_000], [os.urandom(100)], [b"CALL", b"1", b"plan", b"7"],
                       [b"CALL", b"1", b"plan", b'{"documents": [7]}']):  # fmt: skip
            dealer.send_multipart(frames)
    else:
        dealer.setsockopt(zmq.SUBSCRIBE, b"NoSuchTable\0")
    words = "a message is malformed and was dropped"

    def logged() -> bool:
        # One line a second at most, and the test before us may have had it.
        if name == "updates.sock":
            dealer.setsockopt(zmq.SUBSCRIBE, os.urandom(50))
        return bool(w.logged(since, event=words))

    w.eventually(logged, "a line in the log")
    dealer.close()
    context.term()
    w.command("get")
    assert w.apply(instance("ni1", dns={"hosts": {"x": ["10.10.1.8"]}})).returncode == 0
    w.apply(instance("ni1"))
    assert w.daemon.pid == pid
    assert len(w.logged(since, event=words)) <= 5

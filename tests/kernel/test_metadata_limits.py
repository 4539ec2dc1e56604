"""Nobody is kept from asking the metadata service by another who asks too much."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.kernel.metadatastage import (
    connect,
    curl,
    served,
)
from tests.lab import isolated

pytestmark = pytest.mark.root  # the process changes its user


FLOOD = """
import socket, threading, sys
def flood():
    while True:
        try:
            s = socket.create_connection(("169.254.169.254", 80), 2)
            for _ in range(50):
                s.sendall(b"GET /user-data HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                if not s.recv(65536): break
            s.close()
        except OSError: pass
for _ in range(16): threading.Thread(target=flood, daemon=True).start()
idle = []
for _ in range(64):
    try: idle.append(socket.create_connection(("169.254.169.254", 80), 2))
    except OSError: pass
print("flooding", flush=True)
threading.Event().wait()
"""


@isolated
async def test_one_floods_and_another_is_served() -> None:
    """While one application asks with all its might and holds connections open, another is answered in time."""
    async with served("app1", "app2") as (_, _):
        assert curl("app2", "/")[0] == 200
        argv = ["ip", "netns", "exec", "app1", sys.executable, "-c", FLOOD]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as flood:
            try:
                assert flood.stdout is not None
                assert flood.stdout.readline() == b"flooding\n"
                slowest = 0.0
                for _ in range(30):
                    begun = time.monotonic()
                    assert curl("app2", "/eve/v1/hostname", "-m5") == (
                        200,
                        "app2\n",
                    )
                    slowest = max(slowest, time.monotonic() - begun)
                assert slowest < 2.0, slowest
            finally:
                flood.kill()
        assert curl("app1", "/", "--retry", "10")[0] == 200  # 429 is tried again, as Retry-After says


@isolated
async def test_too_much_and_too_slow() -> None:
    """Headers and bodies have bounds, requests have a rate, and a client that never ends its request is closed."""
    async with served("app1") as (_, _):
        assert curl("app1", "/user-data", "-H", f"X: {'x' * 20000}")[0] == 431
        assert curl("app1", "/eve/v1/kubeconfig", "-d", "x" * 60000)[0] == 404
        assert curl("app1", "/eve/v1/kubeconfig", "-d", "x" * 70000)[0] == 413
        assert curl("app1", "/eve/v1/hostname", "-d", "x")[0] == 405
        assert curl("app1", "/eve/v1/hostname", "-I")[0] == 200
        slow = connect("app1")
        begun = time.monotonic()
        slow.sendall(b"GET / HTTP/1.1\r\nHo")
        assert slow.recv(1) == b""
        assert 9 < time.monotonic() - begun < 13
        many = connect("app1")
        many.sendall(b"GET /eve/v1/hostname HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
        seen = b""
        while data := many.recv(65536):
            seen += data
        assert 90 <= seen.count(b"200 OK") <= 130
        assert seen.count(b"429 Too Many Requests") == 1
        assert b"Retry-After: 1" in seen

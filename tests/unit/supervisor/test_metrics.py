"""The metrics' text, by the library's own reader; and how few series there are, whatever is said."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from netnsmgr.core.event import Event
from netnsmgr.errors import NetnsmgrError
from netnsmgr.kernel.link_counters import Counters, link_counters
from netnsmgr.pubsub.tables import AGENT_STATUS, APP_STATUS, DEVICE_STATUS, INSTANCE_STATUS
from netnsmgr.supervisor.counting import REASONS, Counting
from netnsmgr.supervisor.metrics import Seen, exposition
from netnsmgr.supervisor.metrics_server import CONNECTIONS, MetricsServer, address

Samples = dict[str, float]


def read(seen: Seen) -> Samples:
    """Every sample by name and labels."""
    text = exposition(seen).decode()
    assert text.endswith("# EOF\n")
    found: Samples = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name.removeprefix('netnsmgr_')}{{{labels}}}"] = sample.value
    return found


def seen(**parts: Any) -> Seen:
    rows = {
        INSTANCE_STATUS: {"ni1": {"state": "ready"}, "ni2": {"state": 'a "new"\nword'}},
        APP_STATUS: {f"ni1/app{n}/eth0": {"state": "ready" if n else "pending"} for n in range(5)},
        AGENT_STATUS: {"ni1": {"state": "running", "restarts": 2}},
        DEVICE_STATUS: {"edge": {"state": "ready", "ports": [{"name": "eth0", "state": "up"}]}},
    }
    counters = Counters(10, 2, 0, 1, 20, 3, 0, 0)
    known: dict[str, Any] = {
        "revision": 7,
        "rows": rows,
        "agents": {"ni1": {"passes": 5, "operations": 40, "failures": 1}},
        "events": {("Warning", "Drift"): 3},
        "published": {"AgentConfig": 4},
        "links": {"ni1": counters},
        "started": 1.5,
    }
    return Seen(**known | parts)


def test_what_is_shown() -> None:
    samples = read(seen())
    expected = {
        "revision{}": 7,
        "instance_state{instance=ni1,state=ready}": 1,
        "instance_state{instance=ni2,state=other}": 1,
        "app_interfaces{instance=ni1,state=ready}": 4,
        "app_interfaces{instance=ni1,state=pending}": 1,
        "port_state{device=edge,port=eth0,state=up}": 1,
        "agent_state{agent=ni1,state=running}": 1,
        "agent_restarts_total{agent=ni1}": 2,
        "agent_operations_total{agent=ni1}": 40,
        "events_total{reason=Drift,type=Warning}": 3,
        "rows_changed_total{table=AgentConfig}": 4,
        "instance_transmit_bytes_total{instance=ni1}": 10,
        "instance_receive_bytes_total{instance=ni1}": 20,
        "instance_transmit_dropped_total{instance=ni1}": 1,
    }
    assert expected.items() <= samples.items()


@pytest.mark.parametrize("odd", [{}, [], 7, None, "\ud800"])
def test_rows_of_any_form_leave_the_others(odd: Any) -> None:
    """Agents write rows of status: what one says costs nobody the metrics of all."""
    rows = {
        INSTANCE_STATUS: {"ni1": {"state": "ready"}, "ni2": {"state": odd}},
        APP_STATUS: {"ni2/app/eth0": {"state": odd}},
        DEVICE_STATUS: {"edge": {"ports": odd}, "other": {"ports": [odd, {"name": odd, "state": odd}]}},
    }
    samples = read(seen(rows=rows))
    assert samples["instance_state{instance=ni1,state=ready}"] == 1
    assert samples["instance_state{instance=ni2,state=other}"] == 1


def test_applications_make_no_series() -> None:
    """A thousand interfaces more are the same number of lines."""
    rows = {APP_STATUS: {f"ni1/app{n}/eth0": {"state": f"odd{n}"} for n in range(1000)}}
    few = {APP_STATUS: {"ni1/app0/eth0": {"state": "odd"}}}
    assert len(read(seen(rows=rows))) == len(read(seen(rows=few)))


def test_events_of_any_name_make_few_series() -> None:
    counting = Counting(None, None)  # type: ignore[arg-type]
    for n in range(1000):
        counting.on_event(Event(1.0, "NetworkInstance/ni1", "Warning", f"Reason{n}", "", count=2))
    assert len(counting._events) == REASONS + 1
    assert counting._events["Warning", "Other"] == 2 * (1000 - REASONS)


def test_link_counters(tmp_path: Path) -> None:
    """The kernel's table, also with names that hold colons and with lines of another form."""
    table = tmp_path / "dev"
    table.write_text(
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
        "nm-ni1:  100 2 3 4 0 0 0 0 500 6 7 8 0 0 0 0\n"
        "eth0:1: 1 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\n"
        "broken: 1 2\n"
    )
    found = link_counters(str(table))
    assert found.keys() == {"nm-ni1", "eth0:1"}
    assert found["nm-ni1"] == Counters(100, 2, 3, 4, 500, 6, 7, 8)
    assert link_counters(str(tmp_path / "none")) == {}
    assert "lo" in link_counters()


def ask(path: Path, request: bytes) -> bytes:
    async def run() -> bytes:
        async with MetricsServer(str(path), lambda: b"# EOF\n"):
            assert (path / "metrics.sock").stat().st_mode & 0o777 == 0o660
            reader, writer = await asyncio.open_unix_connection(path / "metrics.sock")
            writer.write(request)
            async with asyncio.timeout(5):
                answer = await reader.read()
            writer.close()
        assert not (path / "metrics.sock").exists()
        return answer

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics HTTP/1.1", b"200 OK"),
        (b"GET /metrics?x=1 HTTP/1.1", b"200 OK"),
        (b"POST /metrics HTTP/1.1", b"405 "),
        (b"GET /etc/passwd HTTP/1.1", b"404 "),
        (b"\x00\x01\x02", b"400 "),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1", b"431 "),
    ],
)
def test_http(tmp_path: Path, request_line: bytes, status: bytes) -> None:
    answer = ask(tmp_path, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)
    if status == b"200 OK":
        assert answer.endswith(b"\r\n\r\n# EOF\n")
        assert b"application/openmetrics-text" in answer


def test_few_connections_at_once(tmp_path: Path) -> None:
    """Who holds all of them gets no more; they cost nobody else anything."""

    async def run() -> None:
        async with MetricsServer(str(tmp_path), lambda: b""):
            held = [await asyncio.open_unix_connection(tmp_path / "metrics.sock") for _ in range(CONNECTIONS)]
            reader, _ = await asyncio.open_unix_connection(tmp_path / "metrics.sock")
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            for _, writer in held:
                writer.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "text", ["", "9465", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x", "127.0.0.1:99999", ":1"]
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(NetnsmgrError, match="write ADDRESS:PORT"):
        address(text)


def test_addresses() -> None:
    assert address("127.0.0.1:9465") == ("127.0.0.1", 9465)
    assert address("[::1]:9465") == ("::1", 9465)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """The text says which option it was; the unix socket goes again."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            tcp = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(NetnsmgrError, match=f"--metrics: cannot listen at {tcp}"):
                async with MetricsServer(str(tmp_path), lambda: b"", tcp):
                    pass
        assert list(tmp_path.iterdir()) == []

    asyncio.run(run())

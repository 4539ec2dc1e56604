"""The metadata service without sockets: what each path answers, how bytes become requests, and how much is allowed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from netnsmgr.services.metadata import limits
from netnsmgr.services.metadata.answers import PAGES, Answer, Asker, answer, sentence
from netnsmgr.services.metadata.exchange import Exchange
from netnsmgr.services.metadata.limits import Bucket
from netnsmgr.services.metadata.server import records

RECORD: dict[str, Any] = {
    "device": "edge",
    "deviceUuid": "d-1",
    "external": ["192.0.2.7", "198.51.100.7"],
    "app": "app1",
    "interface": "eth0",
    "uuid": "a-1",
    "userData": "#cloud-config\n",
    "metaData": {"site": 'a "b": {c}', "8": "yes", "Übung": "täglich \N{SNOWMAN}"},
    "network": {"links": []},
}


def ask(path: str, method: str = "GET", **changed: Any) -> Answer:
    return answer(method, path, Asker({**RECORD, **changed}, "10.10.1.11:5000"))


class TestAnswers:
    def test_network(self) -> None:
        """The fields of EVE's network.json, all of them; what nobody has told us is empty."""
        found = json.loads(ask("/eve/v1/network.json").body)
        assert found == {
            "caller-ip": "10.10.1.11:5000",
            "external-ipv4": "192.0.2.7,198.51.100.7",
            "hostname": "app1",
            "app-instance-uuid": "a-1",
            "device-uuid": "d-1",
            "device-name": "edge",
            "project-name": "",
            "project-uuid": "",
            "enterprise-name": "",
            "enterprise-id": "",
        }

    def test_external(self) -> None:
        """One address a line; no content where there is none, as in an air-gapped instance."""
        assert ask("/eve/v1/external_ipv4").body == b"192.0.2.7\n198.51.100.7\n"
        assert ask("/eve/v1/external_ipv4", external=[]).status == 204
        assert json.loads(ask("/eve/v1/network.json", external=[]).body)["external-ipv4"] == ""

    def test_no_cloud(self) -> None:
        """The files of cloud-init's NoCloud; meta-data is YAML whatever the author wrote, and the author's word counts."""
        found = yaml.safe_load(ask("/meta-data").body)
        assert found == {"instance-id": "a-1", "local-hostname": "app1", **RECORD["metaData"]}
        assert yaml.safe_load(ask("/meta-data", metaData={"instance-id": "2"}).body)["instance-id"] == "2"
        assert (ask("/user-data").body, ask("/vendor-data").body) == (b"#cloud-config\n", b"")
        assert (ask("/user-data", userData=None).status, ask("/network-config").status) == (200, 404)

    def test_open_stack(self) -> None:
        """The files of cloud-init's OpenStack, found by listing as it does."""
        assert ask("/openstack").body == b"latest\n"
        names = ask("/openstack/latest/").body.decode().split()
        assert names == ["meta_data.json", "network_data.json", "user_data", "vendor_data.json"]
        for name in names:
            assert ask(f"/openstack/latest/{name}").status == 200
        found = json.loads(ask("/openstack/latest/meta_data.json").body)
        assert (found["uuid"], found["hostname"], found["name"]) == ("a-1", "app1", "app1")
        assert found["meta"] == RECORD["metaData"]
        assert ask("/openstack/latest/user_data", userData=None).status == 404

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/eve/v1/location.json", 204),
            ("/eve/v1/wwan/status.json", 204),
            ("/eve/v1/wwan/metrics.json", 204),
            ("/eve/v1/app/info.json", 200),
            ("/eve/v1/networks/metrics.json", 404),
            ("/eve/v1/diag", 404),
            ("/eve/v1/discover-network.json", 403),
            ("/eve/v1/patch/description.json", 404),
            ("/eve/v1/nothing", 404),
            ("/../etc/shadow", 404),
            ("*", 404),
        ],
    )
    def test_status(self, path: str, status: int) -> None:
        """What is known, what EVE would answer without the device, and what is not there; refusals say why."""
        found = ask(path)
        assert found.status == status
        assert status in (200, 204) or b" " in found.body

    @pytest.mark.parametrize(
        "path", ["kubeconfig", "app/appCustomStatus", "tpm/signer", "tpm/activatecredential/"]
    )
    def test_what_eve_takes_and_we_do_not(self, path: str) -> None:
        """A POST that nobody here would take is not found, with the reason."""
        found = ask(f"/eve/v1/{path}", "POST")
        assert (found.status, b"nobody on this device" in found.body) == (404, True)

    def test_forms_of_a_target(self) -> None:
        """Queries, a final slash and the form with a host are all the same page."""
        for target in (
            "/eve/v1/hostname?x=/y",
            "/eve/v1/hostname/",
            "http://169.254.169.254/eve/v1/hostname",
        ):
            assert ask(target).body == b"app1\n"

    def test_methods(self) -> None:
        """A page is read and not written."""
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert (ask("/user-data", method).status, ask("/user-data", method).headers) == (
                405,
                (("Allow", "GET, HEAD"),),
            )

    def test_the_list_is_true(self) -> None:
        """Each path that / names has an answer, and only paths of applications' own data are in it."""
        for name in ask("/").body.decode().split():
            assert f"/{name}" in PAGES
            assert ask(f"/{name}").status != 404

    def test_records(self) -> None:
        """A record has what all share and what is its own."""
        data = {"shared": {"device": "edge"}, "vifs": {"7": {"app": "app1"}}}
        assert records(data) == {7: {"device": "edge", "app": "app1"}}


class TestExchange:
    def exchange(self, body: bytes = b"hello\n") -> tuple[Exchange, list[tuple[str, str]]]:
        asked: list[tuple[str, str]] = []

        def respond(method: str, target: str) -> Answer:
            asked.append((method, target))
            return Answer(200, "text/plain", body) if target != "/204" else Answer(204)

        return Exchange(respond), asked

    def test_in_pieces(self) -> None:
        """A request may come byte by byte."""
        exchange, asked = self.exchange()
        request = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
        sent = b"".join(exchange.receive(request[n : n + 1]) for n in range(len(request)))
        assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
        assert sent.endswith(b"\r\n\r\nhello\n")
        assert (asked, exchange.over) == ([("GET", "/a")], False)

    def test_one_answer_at_a_time(self) -> None:
        """Requests that came together are answered one by one, each when the last answer is on its way."""
        exchange, asked = self.exchange()
        assert exchange.receive(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n" * 3).count(b"200 OK") == 1
        assert exchange.proceed().count(b"200 OK") == 1
        assert exchange.proceed().count(b"200 OK") == 1
        assert (exchange.proceed(), len(asked)) == (b"", 3)

    def test_head_and_no_content(self) -> None:
        """HEAD tells the length and sends nothing; 204 has neither length nor body; the connection goes on."""
        exchange, _ = self.exchange()
        sent = exchange.receive(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Content-Length: 6" in sent
        assert sent.endswith(b"\r\n\r\n")
        sent = exchange.receive(b"GET /204 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sent.startswith(b"HTTP/1.1 204 No Content")
        assert b"ontent-" not in sent.split(b"\r\n", 1)[1].replace(b"Cache-Control", b"")
        assert exchange.receive(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"hello\n")

    def test_old_clients(self) -> None:
        """A client of HTTP/1.0, and one that asks for it, gets an answer and an end."""
        for request in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
            exchange, _ = self.exchange()
            assert exchange.receive(request).endswith(b"hello\n")
            assert exchange.over

    def test_bodies(self) -> None:
        """A body is read and forgotten, up to its bound; one that is announced as too long is not waited for."""
        exchange, asked = self.exchange()
        head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        assert b"200 OK" in exchange.receive(head % limits.BODY_BYTES + b"x" * limits.BODY_BYTES)
        assert b"413 " in exchange.receive(head % (limits.BODY_BYTES + 1))
        assert (exchange.over, len(asked)) == (True, 1)

    def test_chunks(self) -> None:
        """A body without a length has the same bound."""
        exchange, asked = self.exchange()
        exchange.receive(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = b""
        for _ in range(20):
            sent += exchange.receive(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        assert sent.startswith(b"HTTP/1.1 413 ")
        assert (sent.count(b"HTTP/1.1"), exchange.over, asked) == (1, True, [])

    def test_a_client_that_waits(self) -> None:
        """Who asks whether to go on is told so."""
        exchange, _ = self.exchange()
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        assert exchange.receive(head).startswith(b"HTTP/1.1 100 ")
        assert b"200 OK" in exchange.receive(b"ab")

    @pytest.mark.parametrize("size", [17_000, 40_000])
    @pytest.mark.parametrize("piece", [100, 4096])
    def test_long_headers(self, size: int, piece: int) -> None:
        """A header beyond its bound is refused, however it comes."""
        exchange, asked = self.exchange()
        request = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * size + b"\r\n\r\n"
        sent = b"".join(exchange.receive(request[n : n + piece]) for n in range(0, len(request), piece))
        assert sent.startswith(b"HTTP/1.1 431 ")
        assert (exchange.over, asked) == (True, [])

    @pytest.mark.parametrize(
        "request_",
        [b"\0\1\2\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
         b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"],
    )  # fmt: skip
    def test_nonsense(self, request_: bytes) -> None:
        """What is no HTTP is refused, and the connection ends."""
        exchange, asked = self.exchange()
        assert exchange.receive(request_).startswith(b"HTTP/1.1 400 ") or exchange.over
        assert (exchange.over, asked) == (True, [])
        assert exchange.receive(b"more") == b""

    def test_an_end(self) -> None:
        """A client that ends, before or within a request, is told nothing more."""
        for begun in (b"", b"GET / HT"):
            exchange, asked = self.exchange()
            exchange.receive(begun) if begun else None
            exchange.receive(b"")
            assert (exchange.over, asked) == (True, [])

    def test_an_answer_that_ends_the_connection(self) -> None:
        exchange = Exchange(lambda method, target: sentence(429, "no", ("Retry-After", "1"), close=True))
        sent = exchange.receive(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert b"429 Too Many Requests" in sent
        assert b"Connection: close" in sent
        assert (exchange.over, exchange.proceed()) == (True, b"")


class TestBucket:
    def test_burst_and_rate(self) -> None:
        """So many at once, then so many in a second; the time until the next one is told."""
        bucket = Bucket(0.0)
        assert [bucket.take(0.0) for _ in range(int(limits.BURST))] == [0.0] * int(limits.BURST)
        assert bucket.take(0.0) == pytest.approx(1 / limits.RATE)
        assert bucket.empty(0.0)
        assert not bucket.empty(0.051)
        assert sum(bucket.take(1.0) == 0.0 for _ in range(100)) == limits.RATE

    def test_is_never_more_than_full(self) -> None:
        bucket = Bucket(0.0)
        assert sum(bucket.take(1e6) == 0.0 for _ in range(1000)) == limits.BURST
        assert not bucket.full(1e6)
        assert bucket.full(1e6 + limits.BURST / limits.RATE)

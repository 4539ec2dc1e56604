"""What helpers may do: the table of docs/privileges.md, compared with everything that runs; and that no secret shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab.router6 import Advertised, Served
from tests.scenarios.documents import app, bare, device, port, switch
from tests.scenarios.ipv6 import only6, port6
from tests.scenarios.vpn import SECRETS, gateway, hub, ipsec, wireguard
from tests.scenarios.world import World

pytestmark = pytest.mark.root

TABLE = Path(__file__).parents[2] / "docs" / "privileges.md"
USERS = 1_900_000_000
BITS = {"NET_BIND_SERVICE": 1 << 10, "NET_ADMIN": 1 << 12, "NET_RAW": 1 << 13}
PSK, PASSWORD = "s3cret-of-the-tunnel", "s3cret-of-the-application"
RUNNING = {
    "dnsmasq with DHCPv6", "names", "forwarder", "unbound", "radvd", "tayga", "metadata", "metadata that answers",
    "flowlog", "charon", "wireguard-go", "udhcpc", "dhcpcd", "dnsmasq", "agent",
}  # fmt: skip


class Row(NamedTuple):
    """A line of the table."""

    user: str
    capabilities: int
    confined: bool


def table() -> dict[str, Row]:
    """The table, by the names of processes."""
    found = {}
    for line in TABLE.read_text().splitlines():
        words = [each.strip() for each in line.strip("|").split("|")]
        if line.startswith("| `"):
            held = sum(BITS[each] for each in words[2].split() if each in BITS)
            found[words[0].replace("`", "")] = Row(words[1], held, words[3] == "yes")
    return found


class Seen(NamedTuple):
    """A process of the device."""

    pid: int
    argv: str
    fields: dict[str, str]

    def capabilities(self, kind: str) -> int:
        return int(self.fields[f"Cap{kind}"], 16)


def processes(w: World) -> list[Seen]:
    """Everything that runs with a user of ours."""
    found = []
    show = "echo \"@ ${p#/proc/}\"; tr '\\0' ' ' <$p/cmdline; echo; cat $p/status"
    script = f"for p in /proc/[0-9]*; do ({show}) 2>/dev/null || true; done"
    for part in w.sh(script).split("@ ")[1:]:
        pid, argv, *status = part.splitlines()
        fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
        if fields and int(fields["Uid"].split()[0]) >= USERS and fields["State"][0] != "Z":
            found.append(Seen(int(pid), argv, fields))
    return found


def kind(process: Seen) -> str:
    """Which row of the table a process is."""
    if process.fields["Name"].startswith("netnsmgr:"):
        return "agent"
    if process.argv.startswith("dhcpcd: ") or "/dhcp6-" in process.argv:
        return "dhcpcd"
    match = re.search(r"/etc/([^/]+?)\.\d{10}\.", process.argv)
    assert match, process
    name = match[1]
    if name == "dnsmasq":
        return "dnsmasq with DHCPv6" if "/ni1/" in process.argv else "dnsmasq"
    if name == "metadata" and process.capabilities("Eff") == 0:
        return "metadata that answers"
    return next((short for start, short in SHORT.items() if name.startswith(start)), name)


SHORT = {"names-": "names", "nmw-": "wireguard-go", "udhcpc-": "udhcpc"}


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    ports = ("eth0", "eth1", "eth2", "eth3", "eth4")
    with World(ports, ipv6=True, dhcp_ports=("eth3",)) as made:
        for name in ("app1", "app2", "app4", "app5"):
            made.lab.app(name)
        made.lab.router6.advertise(Advertised("eth3"))
        made.lab.router6.serve_dhcp6(Served("eth3"))
        cloud, public, own = hub(made)
        secrets = {"metadata": {"userData": f"password: {PASSWORD}\n"}}
        one = app("app1", "ni1", acl=[{"id": 1}, {"id": 2, "match": {"host": "github.com"}}])
        one["spec"] |= secrets
        made.apply(
            device(port6(), port(1), port(2), {"name": "eth3", "dhcp": True, "dhcp6": True}, bare("eth4")),
            only6(nat64={}, flowLog=True, ipv6={"addressing": "stateful"}),
            wireguard(made, "ni4", "eth1", cloud, public, own) | {},
            ipsec(made, "ni5", "eth2", gateway(made, "cloud2", PSK), PSK),
            switch("sw1", "eth4", flowLog=True),
            one,
            app("app2", "sw1"),
            app("app4", "ni4"),
            app("app5", "ni5"),
        )
        made.private = own  # type: ignore[attr-defined]
        # Who answers for the service is there while somebody asks.
        made.sh("curl -s -m 5 -o /dev/null 'http://[fd00:a9fe:a9fe::254]/' || true", "ni1")
        yield made


def test_the_table_is_what_runs(w: World) -> None:
    """User, capabilities, no_new_privs and filter of each process are the table's, and all rows but the daemon's are met."""
    wanted, met = table(), set()
    uplink = w.agent("uplink")["pid"]
    for process in processes(w):
        name = kind(process)
        row = wanted[name]
        met.add(name)
        of = process.fields
        first = of["Uid"].split()[0]
        assert of["Uid"].split() == of["Gid"].split() == [first] * 4, process
        assert of["Groups"].split() == [], process
        if process.pid != uplink:
            assert (int(first) == USERS) == (row.user == "the uplink's"), process
        for sets in ("Prm", "Eff") if name in ("agent", "flowlog", "charon") else ("Prm", "Eff", "Amb"):
            assert process.capabilities(sets) == row.capabilities, (name, sets, process)
        assert process.capabilities("Bnd") == sum(BITS.values()), process
        assert row.confined
        assert (of["NoNewPrivs"], of["Seccomp"]) == ("1", "2"), process
    assert met >= RUNNING - {"metadata that answers"}, RUNNING - met
    assert met | {"daemon", "fork server"} <= wanted.keys()


def test_nobody_of_ours_is_root_but_the_daemon(w: World) -> None:
    """What has a file of ours in its vector is nobody's but a user of ours."""
    said = w.sh("ps -eo uid=,args= | grep /run/netnsmgr/instances/ | grep -v grep || true")
    assert said
    assert all(int(line.split()[0]) >= USERS for line in said.splitlines()), said


def test_no_secret_shows(w: World) -> None:
    """PSK, private key and user data are in no status, log, diff, argument or environment, and in no file that all may read."""
    private: str = w.private.strip()  # type: ignore[attr-defined]
    shown = [
        w.command(*words, code=None).stdout
        for words in (
            ("get", "-o", "json"), ("describe", "ni", "ni4"), ("describe", "ni", "ni5"), ("describe", "app", "app1"),
            ("events", "-o", "json"), ("history",), ("diff", "--revision", "1"),
        )
    ]  # fmt: skip
    shown += [
        w.daemon.log,
        w.sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true"),
    ]
    for secret in (PSK, private):
        assert [text[:200] for text in shown if secret in text] == []
    # Who wrote user data may read it with "get -o yaml"; it is in no other place.
    assert [text[:200] for text in shown[1:] if PASSWORD in text] == []
    for secret in (PSK, private, PASSWORD):
        held = w.sh(
            f"grep -rlsF -- '{secret}' /run/netnsmgr /var/lib/netnsmgr /run/wireguard {SECRETS} || true"
        ).split()
        assert held
        for path in held:
            modes = w.sh(f"p={path}; while [ $p != / ]; do stat -c %a $p; p=$(dirname $p); done").split()
            file, *above = (int(mode, 8) for mode in modes)
            assert not file & 0o007 or any(not mode & 0o001 for mode in above), (path, modes)

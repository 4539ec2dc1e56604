"""What applications are told at 169.254.169.254 by a running device, and what nobody else is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.app import AppHost
from tests.scenarios.documents import Document, app, device, instance
from tests.scenarios.world import World

pytestmark = pytest.mark.root

URL = "http://169.254.169.254"
SECRET = "#cloud-config\npassword: s3cr3t\n"


def told(name: str, *networks: str, **given: Any) -> Document:
    """An application with a section ``metadata``."""
    document = app(name, *networks)
    document["spec"]["metadata"] = given
    return document


@pytest.fixture
def w() -> Iterator[World]:
    with World() as made:
        for name in ("app1", "app2"):
            made.lab.app(name)
        made.apply(
            device(),
            instance("ni1"),
            told("app1", "ni1", userData=SECRET, metaData={"site": "north"}),
            app("app2", "ni1"),
        )
        mark(made, "ni1", "app1", "app2")
        for name in ("app1", "app2"):
            made.lab.apps[name].dhcp("eth0")
        yield made


def mark(w: World, network: str, *names: str) -> None:
    """Mark packets by the interfaces that they come from, unless the instance does so itself."""
    if "bridge netnsmgr_vif" in w.sh("nft list tables", network):
        return
    ids = json.loads(w.lab.path(f"/run/netnsmgr/instances/{network}/private/metadata.json").read_text())[
        "vifs"
    ]
    number = {record["app"]: n for n, record in ids.items()}
    rules = "\n".join(f'iifname "{name}.eth0" meta mark set {number[name]}' for name in names)
    hook = "type filter hook prerouting priority -300"
    w.sh(f"nft 'table bridge marks {{\nchain p {{\n{hook}\n{rules}\n}}\n}}'", network)


def server(w: World, network: str) -> list[int]:
    return w.pids(f"netnsmgr.services.metadata /run/netnsmgr/instances/{network}/")


def served(w: World, network: str, host: AppHost) -> list[int]:
    """The process that is always there, and the one that is there since somebody asks."""
    assert asked(host, "/")[0] == 200
    found = server(w, network)
    assert len(found) == 2
    return found


def asked(host: AppHost, path: str, *options: str) -> tuple[int, str]:
    argv = ["curl", "-sS", "-m", "5", "--retry", "9", "--retry-connrefused", "-w", "\n%{http_code}"]
    body, _, status = host.run([*argv, *options, URL + path]).stdout.rpartition("\n")
    return int(status), body


def test_each_application_is_told_its_own(w: World) -> None:
    """Names, the address by which the device is reached, and the author's own text: to whom they belong."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    found = json.loads(asked(app1, "/eve/v1/network.json")[1])
    assert (found["hostname"], found["device-name"]) == ("app1", "edge")
    assert found["external-ipv4"] == "192.168.0.2"
    assert found["caller-ip"].startswith(f"{app1.leases['eth0'].address.ip}:")
    assert asked(app1, "/user-data") == (200, SECRET)
    assert 'site: "north"' in asked(app1, "/meta-data")[1]
    assert asked(app2, "/user-data") == (200, "")
    assert json.loads(asked(app2, "/openstack/latest/meta_data.json")[1])["hostname"] == "app2"
    assert w.instance("ni1")["backends"]["metadata"] == "netnsmgr"
    said = w.sh(f"curl -sS -m 5 {URL}/user-data || true", "ni1")
    assert "s3cr3t" not in said


def test_a_forged_address_is_told_nothing_of_its_owner(w: World) -> None:
    """Whether or not its packets get through: who takes another's address does not get the other's data."""
    app1, app2 = w.lab.apps["app1"], w.lab.apps["app2"]
    taken = str(app1.leases["eth0"].address)
    app1.run(["ip", "link", "set", "eth0", "down"])
    app2.run(["ip", "address", "flush", "dev", "eth0"])
    app2.run(["ip", "address", "add", taken, "dev", "eth0"])
    app2.run(["ip", "route", "add", "default", "via", "10.10.1.1"])
    answer = app2.run(["curl", "-sS", "-m", "3", f"{URL}/user-data"], check=False).stdout
    assert "s3cr3t" not in answer


def test_changes_restart_nothing(w: World) -> None:
    """Other data, another application and another address of the port are told by the same process."""
    app1 = w.lab.apps["app1"]
    before = served(w, "ni1", app1)
    w.apply(told("app1", "ni1", userData="other"))
    w.eventually(lambda: asked(app1, "/user-data") == (200, "other"), "the new user data")
    w.lab.app("app3")
    w.apply(app("app3", "ni1"))
    w.command("delete", "app", "app2")
    w.sh("ip address add 192.168.0.9/24 dev eth0")
    w.apply(device({"name": "eth0", "addresses": ["192.168.0.9/24"], "gateways": ["192.168.0.1"]}))
    w.eventually(lambda: asked(app1, "/eve/v1/external_ipv4") == (200, "192.168.0.9\n"), "the new address")
    assert server(w, "ni1") == before


def test_it_goes_on_without_the_daemon(w: World) -> None:
    """While nothing of the daemon runs, applications are answered; the next daemon takes the process over."""
    app1 = w.lab.apps["app1"]
    before = served(w, "ni1", app1)
    w.crash()
    assert asked(app1, "/user-data") == (200, SECRET)
    w.restart()
    w.ready("ni1")
    assert server(w, "ni1") == before
    for pid in before:
        w.kill(pid)
    w.eventually(lambda: server(w, "ni1") and not {*before} & {*server(w, "ni1")}, "another process")
    assert asked(app1, "/user-data") == (200, SECRET)


def test_user_data_is_nowhere_else(w: World) -> None:
    """Not in a status, a log, a difference or an argument; in files only where root alone may read them."""
    changed = told("app1", "ni1", userData=SECRET + "also: s3cr3t\n")
    w.lab.path("/run/lab/changed.yaml").write_text(json.dumps(changed))
    difference = w.command("diff", "-f", "/run/lab/changed.yaml", code=1).stdout
    assert "spec.metadata.userData" in difference
    said = [
        difference,
        w.command("get", "all").stdout,
        w.command("describe", "app", "app1").stdout,
        w.command("describe", "ni", "ni1").stdout,
        json.dumps([w.instance("ni1"), w.interface("ni1", "app1"), w.device()], default=dict),
        w.daemon.log,
        w.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"),
    ]
    assert [text for text in said if "s3cr3t" in text] == []
    files = w.sh("grep -rl s3cr3t /run/netnsmgr /var/lib/netnsmgr").split()
    assert files
    agent = w.sh("stat -c %u /run/netnsmgr/instances/ni1").strip()
    for path in files:
        owner = agent if path.startswith("/run/netnsmgr/instances/ni1/") else "0"
        assert w.sh(f"stat -c '%a %u' {path}").split() == ["600", owner], path
    assert (
        "s3cr3t" in w.command("get", "app", "app1", "-o", "yaml").stdout
    )  # who may read the configuration, may


def test_without_a_way_out(w: World) -> None:
    """An application of an air-gapped instance, which has no default route, is told by DHCP how to get here."""
    app3 = w.lab.app("app3")
    w.apply(instance("ni2", "10.10.2", ports=[]), told("app3", "ni2", metaData={"site": "south"}))
    mark(w, "ni2", "app3")
    lease = app3.dhcp("eth0")
    assert lease.routes.split() == ["169.254.169.254/32", "10.10.2.1"]
    assert app3.run(["ip", "route", "show", "default"]).stdout == ""
    assert 'site: "south"' in asked(app3, "/meta-data")[1]
    assert asked(app3, "/eve/v1/external_ipv4") == (204, "")


def test_an_instance_without_applications_has_no_process(w: World) -> None:
    """Nobody could ask; the process comes with the first application and goes with the last."""
    w.apply(instance("ni2", "10.10.2"))
    assert server(w, "ni2") == []
    w.lab.app("app3")
    w.apply(app("app3", "ni2"))
    w.eventually(lambda: len(server(w, "ni2")) == 1, "the process")
    w.command("delete", "app", "app3")
    w.eventually(lambda: server(w, "ni2") == [], "its end")
    w.ready("ni2")

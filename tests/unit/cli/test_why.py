"""``netnsmgr why`` and the lists of ``describe app`` without a kernel to ask."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest
from click.testing import Result

from netnsmgr.cli import inside, why_text
from netnsmgr.cli.main import cli
from netnsmgr.cli.place import Place
from tests.unit.cli.straw import SITE, Machine, Straw

ACL = """\
    - name: eth0
      network: ni1
      acl:
        - {id: 7, match: {host: github.com}}
        - {id: 8, match: {ip: 10.0.0.0/8}}
        - {id: 9, match: {ip: 10.1.0.0/16}, action: drop}
"""
LISTED = SITE.replace("    - {name: eth0, network: ni1}\n", ACL)


@pytest.fixture
def site(machine: Machine, straw: Straw) -> Machine:
    assert machine.run("apply", machine.file(LISTED)).exit_code == 0
    return machine


def answers(done: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)["answers"]
    return found


def test_denied_by_default(site: Machine) -> None:
    """Exit code 1, the deciding rule, and no way."""
    done = site.run("why", "app1", "--to", "1.1.1.1:53/udp")
    assert done.exit_code == 1, done.output
    assert done.stdout.splitlines()[0] == "app1/eth0 in ni1 → 1.1.1.1 port 53/udp: dropped"
    assert "by its default: no rule matches" in done.stdout
    assert "The way" not in done.stdout


def test_by_name_where_names_cannot_be_resolved(site: Machine) -> None:
    """The name alone decides on host rules, and that it was not resolved is said."""
    done = site.run("why", "app1", "--to", "api.github.com:443")
    assert done.exit_code == 0, done.output
    assert "by rule 7: host github.com: allow" in done.stdout
    assert "api.github.com was not resolved and is compared with host rules by its name" in done.stdout


def test_json(site: Machine) -> None:
    (one,) = answers(site.run("why", "app1", "--to", "10.1.2.3:80", "-o", "json"))
    assert (one["verdict"], one["lists"][0]["rule"]) == ("allow", 8)
    assert one["allowed"] is False, "the port of straw has no address"
    assert one["reason"] == "no port of the instance leads there: eth0 (cost 0): no address"


def test_the_instance_s_services(site: Machine) -> None:
    done = site.run("why", "app1", "--to", "10.10.1.1:53/udp")
    assert done.exit_code == 0
    assert "always allowed, whatever the list says: the DNS server of ni1" in done.stdout


def test_from_outside_nothing_leads_in(site: Machine) -> None:
    done = site.run("why", "app1", "--from", "192.168.0.9", "--to-port", "80/tcp")
    assert done.exit_code == 1
    assert "no port map leads to 80/tcp of app1/eth0 (its port maps: none)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["app9", "--to", "1.1.1.1:1"], "there is no app 'app9'; those that exist: app1"),
        (["app1"], "say where to, or where from"),
        (["app1", "--to", "1.1.1.1:1", "--from", "x"], "say where to, or where from"),
        (["app1", "--from", "1.1.1.1"], "--from and --to-port go together"),
        (["app1", "--to", "github.com"], "names no port; write it like github.com:443"),
        (["app1", "--to", "1.1.1.1:1", "--interface", "eth7"], "has no interface 'eth7'; it has: eth0"),
        (["app1", "--from", "nobody", "--to-port", "80"], "neither an address nor an application"),
        (["app1", "--from", "fe80::1%eth0", "--to-port", "80"], "leave the zone out"),
        (["app1", "--to", "1.1.1.1/icmpv6"], "icmpv6 is IPv6's; write 1.1.1.1/icmp"),
        (["app1", "--to", "2001:db8::1"], "names no port; write it like [2001:db8::1]:443"),
    ],
)
def test_input_errors(site: Machine, arguments: list[str], said: str) -> None:
    """Exit code 2, and what to write instead."""
    done = site.run("why", *arguments)
    assert done.exit_code == 2, done.output
    assert said in re.sub(r"\s+", " ", done.stderr)


def test_live_says_why_it_cannot(site: Machine) -> None:
    done = site.run("why", "app1", "--to", "1.1.1.1:80", "--live")
    assert done.exit_code == 1
    assert "Proof: no packet was sent: " in done.stdout
    outside = site.run("why", "app1", "--from", "192.168.0.9", "--to-port", "80", "--live")
    assert "can only be sent from there" in outside.stdout


def test_live_leaves_a_virtual_machine_to_itself(machine: Machine, straw: Straw) -> None:
    machine.run("apply", machine.file(SITE.replace("attach: {netns: app1}", "attach: {tap: true}")))
    done = machine.run("why", "app1", "--to", "10.10.1.1:53/udp", "--live")
    assert "app1 is a virtual machine behind a TAP device; only it can send as itself" in done.stdout


def test_without_root(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert inside.Inside(Place(str(machine.run_dir), "")).why_not("ni1") == inside.NEEDS_ROOT


def test_describe_shows_the_list(site: Machine) -> None:
    """In words, in order, with the default; without counters that is said."""
    text = site.run("describe", "app", "app1").stdout
    lines = text[text.index("Access list of app1/eth0 in ni1") :].splitlines()
    assert lines[1].split() == ["RULE", "MATCH", "ACTION", "DIRECTION", "HITS", "BYTES"]
    assert lines[2].split() == ["7", "host", "github.com", "allow", "both", "-", "-"]
    assert lines[4].endswith("never reached: covered by rule 8")
    assert lines[5].split() == ["default", "everything", "else", "drop", "both", "-", "-"]
    assert lines[6].startswith("  no hits are shown: ")


def test_describe_port_maps(machine: Machine, straw: Straw) -> None:
    """By device's address and own port, with what they wait for."""
    first = {"protocol": "tcp", "port": 8080, "appPort": 80, "on": ["192.168.0.2"], "state": "ready"}
    second = {
        "protocol": "udp",
        "port": 53,
        "appPort": 53,
        "on": [],
        "state": "pending",
        "reason": "pending: address of app1",
    }
    straw.status = straw.status | {"portMaps": [first, second]}
    machine.run("apply", machine.file(SITE))
    text = machine.run("describe", "app", "app1").stdout
    assert "tcp 192.168.0.2:8080 → own port 80: ready" in text
    assert "udp port 53 → own port 53: pending (pending: address of app1)" in text
    assert "has no access list" in text


def test_completion(site: Machine) -> None:
    """APP is completed as everywhere."""
    from click.shell_completion import ShellComplete

    options = ["--run-dir", str(site.run_dir), "--state-dir", str(site.root / "state"), "why"]
    complete = ShellComplete(cli, {}, "netnsmgr", "_NETNSMGR_COMPLETE")
    assert [item.value for item in complete.get_completions(options, "ap")] == ["app1"]


def said(app: str, action: str, rule: int) -> dict[str, Any]:
    return {"app": app, "interface": "eth0", "hasList": True, "asked": True, "action": action, "rule": rule}


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"verdict": "drop"}, "also fd00:1::51"),
        ({"allowed": True, "lists": [said("app1", "allow", 2)]}, "by IPv6 (fd00:1::51): allowed by rule 2"),
        (
            {"allowed": True, "lists": [said("app1", "allow", 2), said("app2", "allow", 3)]},
            "by IPv6 (fd00:1::51): allowed by rule 2",
        ),
        (
            {"verdict": "reject", "lists": [said("app1", "allow", 2), said("app2", "reject", 0)]},
            "by IPv6 (fd00:1::51): rejected by the default of app2/eth0",
        ),
        ({"allowed": True}, "by IPv6 (fd00:1::51): allowed"),
        (
            {"allowed": True, "verdict": "limit", "lists": [said("app1", "limit", 4)]},
            "by IPv6 (fd00:1::51): allowed, up to a limit, by rule 4",
        ),
        ({"reason": "no route"}, "by IPv6 (fd00:1::51): leads nowhere, because no route"),
        ({"allowed": True, "dst": "10.1.0.9"}, "also 10.1.0.9: allowed"),
    ],
)
def test_another_address_of_the_target(other: dict[str, Any], text: str) -> None:
    """What is different at the target's other addresses is said with the rule."""
    answer = {
        "app": "app1",
        "interface": "eth0",
        "verdict": "drop",
        "allowed": False,
        "flow": {"dst": "10.1.0.51"},
    }
    plain = {
        "dst": "fd00:1::51",
        "allowed": False,
        "verdict": "allow",
        "service": None,
        "lists": [],
        "reason": None,
    }
    assert why_text._other(answer, plain | other) == text

"""EVE's agents, what they print, and the secrets that come with EVE's configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from netnsmgr.client import Change, ConfigError
from netnsmgr.config import converted
from tests.unit.client.place import app, instance
from zedbox_mock.files import take
from zedbox_mock.replay import merged
from zedbox_mock.run import _stamps
from zedbox_mock.show import Printer
from zedbox_mock.zedbox import Zedbox, label

SITE = [instance("ni1"), instance("ni2"), app("app1", "ni1", "ni2"), app("app2", "ni2")]


def test_halted() -> None:
    """Without an instance: without the interfaces in it, and the applications that have no other."""
    zedbox = Zedbox(SITE)
    assert list(zedbox.documents()) == SITE
    zedbox.zedmanager.halted = {"network-instance/ni2"}
    left = list(zedbox.documents())
    assert list(map(label, left)) == ["network-instance/ni1", "app/app1"]
    assert [i["network"] for i in left[1]["spec"]["interfaces"]] == ["ni1"]
    zedbox.zedmanager.halted = {"app/app1"}
    assert list(map(label, zedbox.documents())) == [
        "network-instance/ni1",
        "network-instance/ni2",
        "app/app2",
    ]
    assert SITE[2] == app("app1", "ni1", "ni2")


def test_started_again() -> None:
    """Where an application lives is domainmgr's to say; the rest stays what the controller said."""
    zedbox = Zedbox(SITE)
    zedbox.domainmgr.started("app2", {"pid": 4711})
    *others, last = zedbox.documents()
    assert (others, last["spec"]["attach"]) == (SITE[:3], {"pid": 4711})
    assert "attach" not in SITE[3]["spec"]


def test_merged() -> None:
    old = {"spec": {"dns": {"servers": [1]}, "ports": [1]}}
    assert merged(old, {"spec": {"dns": {"hosts": {}}, "ports": [2]}}) == {
        "spec": {"dns": {"servers": [1], "hosts": {}}, "ports": [2]}
    }


ROWS = [
    ("DeviceNetworkStatus", "edge", {"state": "ready", "ports": [{"name": "eth0", "state": "up"}]}, "device edge ready (eth0 up)"),
    ("NetworkInstanceStatus", "ni1", {"state": "degraded", "reasons": ["no way"], "vpn": {"ipsec": [{"name": "c1", "state": "down"}]}},
     "network-instance ni1 degraded (c1 down): no way"),
    ("AppNetworkStatus", "ni1/app1/eth0", {"state": "ready", "addresses": [{"address": "10.10.1.50", "source": "dhcp"}]},
     "interface ni1/app1/eth0 ready (10.10.1.50 by dhcp)"),
    ("AgentStatus", "ni1", {"state": "backing-off", "pid": None, "restarts": 3, "cause": "it broke"},
     "agent ni1 backing-off (pid None, 3 restarts): it broke"),
    ("AppFlowLog", "ni1/app1", {"seq": 7, "lost": 1}, "flow log ni1/app1 7 records, 1 lost"),
    ("Event", "0000000001", {}, "Event 0000000001 changed"),
    ("NetworkInstanceStatus", "ni1", None, "network-instance ni1 gone"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "key", "row", "line"), ROWS)
def test_lines(
    capsys: pytest.CaptureFixture[str], table: str, key: str, row: dict[str, object], line: str
) -> None:
    """A line for people, told once as long as it reads the same; all of the row for machines, each time."""
    for as_json in (False, True):
        printer = Printer(as_json=as_json)
        for _ in range(2):
            printer.change(Change(table, key, row))
        said = capsys.readouterr().out.splitlines()
        if as_json:
            assert [json.loads(each)["row"] for each in said] == [row, row]
        else:
            assert [each.partition(" ")[2] for each in said] == [line]


def test_secrets_of_eve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are put where the documents say, for root alone, once; and nowhere else."""
    wishes = converted.Wishes
    monkeypatch.setattr(
        converted, "Wishes", lambda **given: wishes(secrets=str(tmp_path / "secrets"), **given)
    )
    config = Path(__file__).parents[3] / "poc" / "edge-config.json"
    documents = take([str(config)], "container")
    found = sorted(path.name for path in (tmp_path / "secrets").iterdir())
    assert found == sorted(Path(path).name for path in documents.secrets)
    for path, secret in documents.secrets.items():
        place = Path(path)
        assert (place.read_text(), place.stat().st_mode & 0o777) == (secret, 0o600)
        assert secret not in "".join(capsys.readouterr())
    stamps = [(tmp_path / "secrets" / name).stat().st_mtime_ns for name in found]
    take([str(config)], "container")
    assert stamps == [(tmp_path / "secrets" / name).stat().st_mtime_ns for name in found]
    assert {label(each) for each in documents} >= {"device/edge", "network-instance/ni1", "app/app1"}


def test_secrets_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said of which file, without the secret; who follows the files goes on."""
    wishes = converted.Wishes
    (tmp_path / "file").touch()
    monkeypatch.setattr(converted, "Wishes", lambda **given: wishes(secrets=str(tmp_path / "file"), **given))
    config = Path(__file__).parents[3] / "poc" / "edge-config.json"
    with pytest.raises(ConfigError, match=r"file/.*psk:1:1: a secret cannot be written here: ") as refused:
        take([str(config)], "container")
    assert "the secret of" not in str(refused.value)


def test_a_directory_that_goes_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that follows it goes on, and sees what is in it again."""
    (tmp_path / "site.yaml").touch()
    before = list(_stamps([str(tmp_path)]))
    with monkeypatch.context() as patched:
        patched.setattr(os.path, "isdir", lambda _: True)
        assert list(_stamps([str(tmp_path / "gone")])) == []
    assert list(_stamps([str(tmp_path)])) == before != []

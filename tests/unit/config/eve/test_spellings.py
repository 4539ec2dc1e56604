"""The JSON of a protocol buffer in all the forms that protobuf itself takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.config import from_eve
from netnsmgr.config.converted import Wishes
from netnsmgr.config.from_eve.message import camel
from tests.unit.config.eve.written import Json, converted, device, faults, instance, notes, spec

TEXT = (Path(__file__).parents[4] / "poc" / "edge-config.json").read_text(encoding="utf-8")
SNAKE = {
    "disableFlowlog": "disable_flowlog",
    "deviceName": "device_name",
    "mountDir": "mount_dir",
}
"""Fields of that file whose names in the .proto files are of several words."""
NUMBERS = {
    "ZnetInstSwitch": 1, "ZnetInstLocal": 2, "ZnetInstCloud": 3, "PhyIoNetEth": 1, "IPV4": 1, "V4Only": 7, "Static": 1,
    "CONTAINER": 8, "QCOW2": 3, "HVM": 1, "PhyIoUsageMgmtAndApps": 1, "PhyIoUsageShared": 2, "ZNetOConfigVPN": 0,
    "VCOT_DOWNLOAD": 2,
}  # fmt: skip
WISHES = Wishes(attach="container")


def respelled(value: Any) -> Any:
    """Return the same with names as in the .proto files, enumerations and small integers as numbers or as text."""
    match value:
        case dict():
            return {SNAKE.get(key, key): respelled(each) for key, each in value.items()}
        case list():
            return [respelled(each) for each in value]
        case str():
            return NUMBERS.get(value, value)
        case bool():
            return value
        case int():
            return str(value)
    return value


def test_both_spellings_are_the_same() -> None:
    first = from_eve.convert(TEXT, "a", WISHES)
    text = json.dumps(respelled(json.loads(TEXT)), indent="\t")
    assert '"disable_flowlog"' in text
    second = from_eve.convert("\ufeff" + text, "a", WISHES)
    assert (first.documents, first.secrets) == (second.documents, second.secrets)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("access_vlan_id", "accessVlanId"), ("HostName", "HostName"), ("networkUUID", "networkUUID"), ("ds_ids_list", "dsIdsList")],
)  # fmt: skip
def test_names_as_protobuf_makes_them(name: str, wanted: str) -> None:
    assert camel(name) == wanted


@pytest.mark.parametrize("value", [2, "2", 2.0, "ZnetInstLocal"])
def test_an_enumeration(value: object) -> None:
    assert spec(converted(device(instance(instType=value))), "ni1")["type"] == "local"


def test_a_field_in_both_spellings() -> None:
    (found,) = faults(device(instance(disable_flowlog=True)))
    assert "networkInstances[0].disable_flowlog: is there twice, in both spellings; keep one" in found


def test_a_controller_s_answer() -> None:
    """ConfigResponse: the configuration is within, and its places are, too."""
    found = converted({"config": device(instance()), "configHash": "abc"})
    assert spec(found, "ni1")["subnets"] == ["10.10.1.0/24"]
    assert notes(found) == ""
    (said,) = faults({"config": device(instance(ip={}))})
    assert ": config.networkInstances[0].ip: a local network needs a subnet" in said


def test_null_is_not_set() -> None:
    found = converted(device(instance(cfg=None, stp=None, dns=None, mtu=None, disableFlowlog=None)))
    assert spec(found, "ni1")["flowLog"] is True


def test_what_has_its_default_needs_no_word() -> None:
    """proto3 does not tell a default from what is not set."""
    value = device(
        instance(), maintenanceMode=False, controllerEpoch=0, productName="", baseos={}, strange=[]
    )
    assert notes(converted(value)) == ""


def test_unknown_fields_are_named_but_not_what_is_no_name() -> None:
    strange: Json = {"new_field": 7, "evil\x1b[31m": 1, "x" * 99: 1}
    value = device(instance(**strange))
    (said,) = notes(converted(value)).splitlines()
    assert re.fullmatch(
        r"eve.json:\d+:\d+: not carried over: networkInstances\[\]\.new_field, networkInstances\[\] \(unknown field: .*\)",
        said,
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "eve.json:1:1: must be an object {…}, not a list"),
        ({"apps": {}}, "eve.json:2:2: apps: must be a list […], not an object"),
        ({"apps": [None, 3]}, "apps[1]: must be an object {…}, not a number"),
        ({"deviceName": 7}, "eve.json:2:16: deviceName: must be a text, not a number"),
        ({"networkInstances": [instance(activate="yes")]}, "activate: must be true or false, not a text"),
        ({"networkInstances": [instance(mtu="many")]}, "mtu: must be a whole number, not a text"),
        ({"networkInstances": [instance(mtu=1.5)]}, "mtu: must be a whole number"),
        ({"networkInstances": [instance(mtu=10**30)]}, "mtu: is no number of 32 bits"),
        ({"networkInstances": [instance(ip={"subnet": "10.10.1.0/24", "dns": [1]})]}, "ip.dns[0]: must be a text, not a number"),
    ],
)  # fmt: skip
def test_wrong_types(value: Any, said: str) -> None:
    found = faults(value)
    assert any(said in each for each in found), found


def test_many_faults_are_not_all_told() -> None:
    found = faults(device(*(instance(f"ni{n}", ip={}) for n in range(80))))
    assert len(found) == 51
    assert found[-1].endswith("and 30 more faults")


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        (TEXT, True),
        ('{"device_io_list": []}', True),
        ('\ufeff\n {"apps" : []}', True),
        ('{"apiVersion": "netnsmgr/v1alpha1", "kind": "Device"}', False),
        ("apps: []", False),
        ("[Interface]\n", False),
        ("{}", False),
    ],
)
def test_what_is_recognised(text: str, ours: bool) -> None:
    assert from_eve.recognises(text) == ours

"""Application instances: their interfaces, how they are attached, and what is not said of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netnsmgr.config import from_eve
from netnsmgr.config.converted import Wishes
from tests.unit.config.eve.written import (
    Json,
    accepted,
    app,
    converted,
    device,
    faults,
    instance,
    interface,
    notes,
    rule,
    spec,
    switch,
)


def test_all_of_an_interface() -> None:
    more = {"addr": "10.10.1.20", "macAddress": "02-16-3E-00-00-01"}
    found = accepted(
        device(instance(), switch(), app("app1", interface(**more), interface("sw1", accessVlanId=100)))
    )
    first, second = spec(found, "app1")["interfaces"]
    assert (first["address"], first["mac"]) == ("10.10.1.20", "02:16:3e:00:00:01")
    assert second == {
        "name": "eth1",
        "network": "sw1",
        "vlan": {"access": 100},
        "acl": [{"id": 1, "match": {"ip": "0.0.0.0/0"}}],
    }


def test_what_means_nothing_there() -> None:
    """A static address in a switch, a VLAN in a local network: EVE takes no notice, and here they are refused."""
    found = accepted(
        device(
            instance(), switch(), app("app1", interface(accessVlanId=5), interface("sw1", addr="10.0.0.1"))
        )
    )
    assert "only switches have VLANs" in notes(found)
    assert "a switch gives no addresses" in notes(found)


def test_the_order_of_interfaces_is_eve_s() -> None:
    """By the first number of each access list, unless the order is asked for (parseAppNetAdapterConfig)."""
    one, two = (
        interface("ni1", rule({}, 9), interfaceOrder=1),
        interface("ni2", rule({}, 3), interfaceOrder=2),
    )
    both = [instance(), instance("ni2")]

    def order(**more: Any) -> list[tuple[str, str]]:
        found = accepted(device(*both, app("app1", one, two, **more)))
        return [(each["name"], each["network"]) for each in spec(found, "app1")["interfaces"]]

    assert order() == [("eth0", "ni2"), ("eth1", "ni1")]
    assert order(fixedresources={"enforceNetworkInterfaceOrder": True}) == [("eth0", "ni1"), ("eth1", "ni2")]
    found = converted(device(*both, app("app1", one, two)))
    assert (
        "apps[0].interfaces: the interfaces are in EVE's order, by the first id of each access list"
        in notes(found)
    )


IMAGES: Json = {
    "contentInfo": [{"uuid": "c1", "iformat": "QCOW2"}, {"uuid": "c2", "iformat": 8}],
    "volumes": [
        {"uuid": "v1", "origin": {"downloadContentTreeID": "c1"}},
        {"uuid": "v2", "origin": {"downloadContentTreeID": "c2"}},
    ],
}


@pytest.mark.parametrize(
    ("more", "machine"),
    [
        ({"volumeRefList": [{"uuid": "v1"}]}, True),
        ({"volumeRefList": [{"uuid": "v2"}, {"uuid": "v1"}]}, False),
        ({"volumeRefList": [{"uuid": "v1"}], "fixedresources": {"virtualizationMode": "NOHYPER"}}, False),
        ({"drives": [{"image": {"iformat": 1}}]}, True),
        (
            {"drives": [{"image": {"iformat": "CONTAINER"}}], "fixedresources": {"virtualizationMode": 1}},
            False,
        ),
        ({}, False),
    ],
)
def test_containers_and_machines(more: Json, machine: bool) -> None:
    """By the image that an application starts from: EVE runs containers, too, in machines of its own."""
    value = device(instance(), app("app1", **more), **IMAGES)
    found = accepted(value)
    assert spec(found, "app1")["attach"] == ({"tap": True} if machine else {"netns": "app1"})
    assert spec(found, "app1")["interfaces"][0]["name"] == ("tap0" if machine else "eth0")
    boxed = converted(value, attach="container")
    assert spec(boxed, "app1")["attach"] == ({"tap": True} if machine else {"container": "app1"})


def test_where_nobody_says_how_they_are_attached_it_is_left_open() -> None:
    found = converted(device(instance(), app()), attach="")
    assert "attach" not in spec(found, "app1")
    assert [each.field for each in found.lacking[-1]] == ["attach"]
    assert [each["kind"] for each in found.complete] == ["Device", "NetworkInstance"]


def test_an_application_that_is_not_active_or_in_no_network() -> None:
    found = accepted(device(instance(), app("app1", activate=False), app("app2", interfaces=[])))
    assert [each["kind"] for each in found.documents] == ["Device", "NetworkInstance"]
    assert "apps[0].activate: not carried over: it is not active" in notes(found)
    assert "apps[1].interfaces: not carried over: it has no interface in a network" in notes(found)


def test_two_of_one_name() -> None:
    """Both are there, and each is known by its UUID."""
    found = accepted(device(instance(), app("Web", uuidandversion={"uuid": "aaaaaaaa-1"}), app("web", uuidandversion={"uuid": "bbbbbbbb-2"})))  # fmt: skip
    assert [each["metadata"]["name"] for each in found.documents[2:]] == ["web", "web-bbbbbbbb"]
    assert "apps[0].displayname: 'Web' is called web here" in notes(found)


SECRET = "c2VjcmV0IG9mIHNvbWVib2R5"


def test_nothing_of_what_may_be_secret_is_said() -> None:
    secrets = {
        "userData": SECRET,
        "cipherData": {"cipherContextId": SECRET},
        "fixedresources": {"vncPasswd": SECRET},
        SECRET: SECRET,
    }
    value = device(
        instance(cfg={"oconfig": SECRET}),
        app("app1", interface(pemprivatekey=SECRET), **secrets),
        cipherContexts=[{"hash": SECRET}],
        configItems=[{"key": "debug.enable.ssh", "value": SECRET}],
        edgeview={"token": SECRET},
    )
    found = accepted(value)
    assert SECRET not in notes(found).replace(f"apps[].{SECRET}", "") + json.dumps(found.documents)
    for field in ("apps[].userData", "apps[].cipherData", "cipherContexts", "configItems", "edgeview"):
        assert field in notes(found)


def test_what_is_left_is_said_once_for_all() -> None:
    """However many applications there are."""
    many = [app(f"app{n}", drives=[{"image": {}}], remoteConsole=True, what_is_this=1) for n in range(30)]
    said = notes(accepted(device(instance(), *many))).splitlines()
    assert len(said) == 3
    assert "apps[].drives (images and volumes are no matter of networks)" in said[0]
    assert "apps[].remoteConsole (how applications are run" in said[1]
    assert "apps[].what_is_this (unknown field" in said[2]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (interface("nix"), "networkId: there is no network instance 'uuid-nix'"),
        (interface(networkId=""), "networkId: is missing"),
        (interface(addr="10.10.1"), "addr: '10.10.1' is not an IP address"),
        (interface(macAddress="00:11"), "macAddress: '00:11' is not a MAC address"),
        (interface(accessVlanId=4095), "accessVlanId: must be from 1 to 4094"),
        (interface(acls={}), "acls: must be a list […], not an object"),
    ],
)
def test_what_is_wrong(one: Json, why: str) -> None:
    found = faults(device(instance(), app("app1", one)))
    assert any(why in each and each.startswith("eve.json:") for each in found), found


def test_a_uuid_twice() -> None:
    assert "apps[1].uuidandversion: duplicate uuid 'uuid-app1'" in faults(device(instance(), app(), app()))[0]


def test_the_device_s_name() -> None:
    def name(wished: str = "", **more: Any) -> str:
        found = from_eve.convert(json.dumps(device(**more)), "f", Wishes(wished))
        return str(found.documents[0]["metadata"]["name"])

    assert [name(), name(deviceName="Plant 7"), name("mine", device_name="Plant 7")] == [
        "device",
        "plant-7",
        "mine",
    ]

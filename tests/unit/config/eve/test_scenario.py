"""The scenario's configuration as EVE has it becomes the scenario's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netnsmgr.config import from_eve
from netnsmgr.config.check import check
from netnsmgr.config.converted import Wishes
from netnsmgr.config.load import load_text
from netnsmgr.config.whole import Config

POC = Path(__file__).parents[4] / "poc"
TEXT = (POC / "edge-config.json").read_text(encoding="utf-8")
CONVERTED = from_eve.convert(TEXT, "edge-config.json", Wishes(attach="container"))

DIFFERENT: dict[str, Any] = {
    # EVE calls connections nothing, and has secrets in the configuration itself.
    "ni4": {("vpn", "ipsec", "connections", 0, "name"): ("cloud1", "ni4"),
            ("vpn", "ipsec", "connections", 0, "auth", "psk", "file"): (
                "/etc/netnsmgr/secrets/cloud1.psk", "/etc/netnsmgr/secrets/ni4.psk")},
    "ni5": {("vpn", "ipsec", "connections", 0, "name"): ("cloud2", "ni5"),
            ("vpn", "ipsec", "connections", 0, "auth", "psk", "file"): (
                "/etc/netnsmgr/secrets/cloud2.psk", "/etc/netnsmgr/secrets/ni5.psk")},
    # EVE opens a port map at the ports of its network, the scenario at all of the device.
    "app2": {("interfaces", 0, "acl", 1, "match", "adapter"): (None, "eth0")},
}  # fmt: skip
"""All that differs, by object: path → what the scenario has, and what comes of EVE's configuration."""


def specs(config: Config) -> dict[str, Any]:
    """Return the whole configuration as plain values, with all defaults."""
    assert config.device is not None
    objects: list[Any] = [config.device, *config.instances.values(), *config.apps.values()]
    return {each.name: each.spec.model_dump(mode="json") for each in objects}


def differences(ours: Any, theirs: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    """Return where two values differ, to the depth."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = {**ours, **theirs}
        pairs = [(key, ours.get(key), theirs.get(key)) for key in keys]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(n, *pair) for n, pair in enumerate(zip(ours, theirs, strict=True))]
    else:
        return {} if ours == theirs else {path: (ours, theirs)}
    return {k: v for key, a, b in pairs for k, v in differences(a, b, (*path, key)).items()}


def test_it_is_the_scenario() -> None:
    """Nothing differs but what is listed above, and both are accepted."""
    loaded = load_text((POC / "scenario.yaml").read_text(encoding="utf-8"))
    ours, problems = check(loaded.documents, {})
    assert problems == []
    theirs, problems = check(CONVERTED.documents, {})
    assert problems == []
    before, after = specs(ours), specs(theirs)
    assert list(before) == list(after)
    found = {name: differences(before[name], after[name]) for name in before}
    assert {name: each for name, each in found.items() if each} == DIFFERENT


def test_nothing_is_lacking() -> None:
    assert CONVERTED.complete == CONVERTED.documents


def test_secrets_are_beside_it() -> None:
    assert CONVERTED.secrets == {
        "/etc/netnsmgr/secrets/ni4.psk": "the secret of cloud1\n",
        "/etc/netnsmgr/secrets/ni5.psk": "the secret of cloud2\n",
    }
    said = "\n".join(map(str, CONVERTED.notes))
    assert "the secret" not in json.dumps(CONVERTED.documents) + said


def test_objects_are_known_by_what_eve_knows_them_by() -> None:
    """Each instance and application keeps its UUID."""
    root = json.loads(TEXT)
    uuids = [each["uuidandversion"]["uuid"] for each in root["networkInstances"] + root["apps"]]
    assert [each["metadata"].get("labels", {}).get("eve-uuid") for each in CONVERTED.documents] == [
        None,
        *uuids,
    ]


def test_it_is_all_our_own() -> None:
    """Every reference is to something in the file, and nothing in it is left over."""
    root = json.loads(TEXT)
    assert not any("unknown" in str(note) for note in CONVERTED.notes)
    assert root["deviceName"] == CONVERTED.documents[0]["metadata"]["name"]

"""`netnsmgr bugreport`: all that is needed, and no secret, however many places it could come from."""

from __future__ import annotations

import io
import json
import tarfile
from base64 import b64encode
from collections.abc import Iterator

import pytest

from netnsmgr.cli import redaction
from tests.scenarios.documents import app, device, instance
from tests.scenarios.vpn import secret
from tests.scenarios.world import World

pytestmark = pytest.mark.root

KEY = b64encode(bytes(range(32))).decode()
PRESHARED = b64encode(bytes(range(32, 64))).decode()
PUBLIC = b64encode(bytes(range(64, 96))).decode()
PSK = "a pre-shared key of IPsec"
USER_DATA = "#cloud-config\npassword: hunter2-is-mine\nssh_authorized_keys: []\n"
SECRETS = (KEY, PRESHARED, PSK, "hunter2-is-mine")


@pytest.fixture(scope="module")
def w() -> Iterator[World]:
    with World() as made:
        made.lab.app("app1")
        peer = {
            "name": "hub",
            "publicKey": PUBLIC,
            "endpoint": "192.168.0.77:51820",
            "allowedIps": ["10.77.0.0/16"],
            "presharedKey": secret(made, "hub.psk", PRESHARED),
        }
        tunnel = {
            "name": "wg0",
            "privateKey": secret(made, "wg0.key", KEY),
            "addresses": ["10.9.0.2/24"],
            "peers": [peer],
        }
        connection = {
            "name": "cloud",
            "remote": "192.168.0.78",
            "auth": {"psk": secret(made, "cloud.psk", PSK)},
            "remoteAuth": {"id": "cloud.example"},
            "children": [{"name": "net", "local": ["10.10.3.0/24"], "remote": ["10.78.0.0/16"]}],
        }
        application = app("app1", "ni1")
        application["spec"]["metadata"] = {"userData": USER_DATA}
        made.put(
            device(),
            instance("ni1"),
            instance("ni2", "10.10.2", vpn={"wireguard": {"tunnels": [tunnel]}}),
            instance("ni3", "10.10.3", vpn={"ipsec": {"connections": [connection]}}),
            application,
        )
        made.ready("ni1")
        for name in ("ni2", "ni3"):  # nobody is at the other end
            made.until(lambda name=name: made.instance(name).get("vpn"), f"tunnels of {name}")  # type: ignore[misc]
        yield made


def report(w: World) -> dict[str, str]:
    """The archive's files; their paths without its own directory."""
    w.sh("touch /run/lab/report.tar.gz; chmod 644 /run/lab/report.tar.gz")  # of an earlier one
    w.command("bugreport", "-o", "/run/lab/report.tar.gz")
    assert w.sh("stat -c %a /run/lab/report.tar.gz") == "600\n"
    data = w.lab.path("/run/lab/report.tar.gz").read_bytes()
    files = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            files[member.name.partition("/")[2]] = file.read().decode()
    return files


def test_no_secret_is_in_it(w: World) -> None:
    """Not by any of the tools, files and rows that would show one; and what is needed is there."""
    files = report(w)
    for name, text in files.items():
        for each in SECRETS:
            assert each not in text, name
    assert "table inet netnsmgr_nat" in files["netns/ni1/nft.txt"]
    assert "bn0" in files["netns/ni2/links.txt"]
    assert "nm-ni1" in files["netns/root/links.txt"]
    assert "dnsmasq" in files["machine/processes.txt"]
    assert any(name.startswith("instances/ni1/etc/dnsmasq.") for name in files)
    assert json.loads(files["daemon/NetworkInstanceConfig.json"])["ni2"]["spec"]["vpn"]["wireguard"]
    assert json.loads(files["daemon/AppNetworkConfig.json"])["app1"]["spec"]["metadata"]["userData"] == (
        f"({len(USER_DATA)} characters)"
    )
    assert {row["reason"] for row in json.loads(files["daemon/Event.json"]).values()} >= {"Started"}
    assert json.loads(files["daemon/history.json"])
    assert "netnsmgr_instance_state" in files["machine/metrics.txt"]
    assert json.loads(files["doctor.json"])
    assert "AppFlowLog" not in "".join(files)


def test_whatever_shows_a_secret_is_cut(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts are searched for the secrets themselves: no list of places has to be complete."""
    document = {
        "spec": {"vpn": {"ipsec": {"psk": {"file": str(w.lab.path("/etc/netnsmgr/secrets/cloud.psk"))}}}}
    }
    known = list(redaction.secrets([document, {"spec": {"metadata": {"userData": USER_DATA}}}]))
    assert redaction.without(f"x {PSK} y\npassword: hunter2-is-mine", known) == "x (secret) y\n(secret)"
    assert "#cloud-config" not in known


def test_without_a_daemon(w: World) -> None:
    """When it is most needed: what the kernel, the files and the last events say."""
    w.stop()
    files = report(w)
    assert "unreachable.txt" in files
    assert "Started" in files["machine/events.jsonl"]
    assert "table inet netnsmgr_nat" in files["netns/ni1/nft.txt"]
    for name, text in files.items():
        for each in SECRETS:
            assert each not in text, name
    w.restart()

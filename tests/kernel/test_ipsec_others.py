"""Connections by certificates, on both kernels: who the other end may be, and who it may not (see test_ipsec_certificates)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from vici.exception import CommandException

from tests.kernel.ipsecstage import FAR, GATEWAY, Door, accepts, bring, far_child, scope, surroundings, tunnel
from tests.kernel.stage import sh, stage
from tests.kernel.test_ipsec import lost, reached
from tests.lab import isolated

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("charon-systemd") is None, reason="charon-systemd is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


def authority(name: str, *subjects: str) -> None:
    """Make a certificate authority, and certificates of names that it has signed."""
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    sh(f"{new} -subj /CN={name} -keyout /run/{name}.key -out /run/{name}.pem 2>&1")
    for each in subjects:
        sh(
            f"{new} -subj /O=lab/CN={each} -addext subjectAltName=DNS:{each} -addext basicConstraints=critical,CA:FALSE"
            f" -CA /run/{name}.pem -CAkey /run/{name}.key -keyout /run/{each}.key -out /run/{each}.pem 2>&1"
        )


def cloud(name: str) -> str:
    """The cloud's configuration; what it shows is the certificate of this name."""
    for source, target in (
        (f"{name}.pem", "x509"),
        ("ca.pem", "x509ca"),
        ("other.pem", "x509ca"),
        (f"{name}.key", "private"),
    ):
        Path(f"/run/cloud/{target}").mkdir(parents=True, exist_ok=True)
        shutil.copy(f"/run/{source}", f"/run/cloud/{target}")
    by_secret = accepts(far_child())
    return by_secret.replace(
        "auth = psk\n      id = cloud1", f"auth = pubkey\n certs = {name}.pem\n id = {name}"
    ).replace("auth = psk", "auth = pubkey")


def by_certificate(**remote: Any) -> dict[str, Any]:
    ours = {"certificate": "/run/device7.pem", "privateKey": {"file": "/run/device7.key"}}
    return tunnel(localAuth=ours, remoteAuth=remote)


@pytest.mark.parametrize(
    ("remote", "fault"),
    [
        ({"id": "cloud1", "ca": "/run/ca.pem"}, ""),
        ({"certificate": "/run/cloud1.pem"}, ""),
        ({"id": "cloud2", "ca": "/run/ca.pem"}, "AUTHENTICATION_FAILED"),
        ({"id": "cloud1", "ca": "/run/other.pem"}, "no issuer certificate found"),
        ({"certificate": "/run/cloud2.pem"}, "no trusted ECDSA public key found"),
    ],
    ids=["signed", "pinned", "another-name", "another-authority", "another-pinned"],
)
@isolated
async def test_who_the_other_end_is(remote: dict[str, str], fault: str) -> None:
    """One signed by the authority with the identity, or the very certificate; none else of that authority, or of another."""
    authority("ca", "device7", "cloud1", "cloud2")
    authority("other", "stranger")
    wanted = scope(by_certificate(**remote))
    with surroundings(cloud("cloud1")):
        async with stage() as agent:
            await bring(agent, wanted)
            sh(f"ip route replace {FAR} dev ipsec0 src {GATEWAY}")
            door = Door(wanted)
            door.load()
            if fault:
                with pytest.raises(CommandException) as raised:
                    door.initiate()
                assert fault in raised.value.__notes__[0], raised.value.__notes__[0]
                assert lost()
            else:
                door.initiate()
                assert reached()

"""IPsec connections by certificates: whom we believe, and what is said of whom we do not."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.ipsecpeer import Document, connection, ipsec_stage, ping, scope, spis, until
from tests.kernel.stage import sh
from tests.lab import isolated

pytestmark = [pytest.mark.root]
in_time = partial(isolated, timeout=60.0)

OWN, SWANCTL = "/run/certificates", "/run/swanctl"
LOCAL = "auth = pubkey\n certs = cloud.pem\n id = cloud.example"
REMOTE = "auth = pubkey\n cacerts = ca.pem\n id = device.example"


def authority(name: str = "ca") -> None:
    """Make one that signs."""
    sh(
        f"""mkdir -p {OWN} {SWANCTL}/x509 {SWANCTL}/x509ca {SWANCTL}/private; chmod 755 {OWN}; cd {OWN}
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN={name} \
            -keyout {name}.key -out {name}.pem 2>&1"""
    )


def certificate(name: str, by: str = "ca", *, expired: bool = False) -> None:
    """Make one for ``name``.example, signed by an authority; an expired one is two days old and was for one."""
    dates = "-startdate 20200101000000Z -enddate 20200102000000Z" if expired else "-days 365"
    sh(
        f"""cd {OWN}; mkdir -p db; : >db/index.txt; rm -f db/serial
        printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=db/index.txt\\nserial=db/serial\\nnew_certs_dir=db\\ndefault_md=sha256\\npolicy=p\\nunique_subject=no\\n[p]\\ncommonName=supplied\\n[san]\\nsubjectAltName=DNS:{name}.example\\n' >ca.cnf
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name}.example \
            -keyout {name}.key -out {name}.csr 2>&1
        openssl ca -batch -config ca.cnf -create_serial -extensions san -cert {by}.pem -keyfile {by}.key \
            {dates} -in {name}.csr -out {name}.full -notext 2>&1
        openssl x509 -in {name}.full -out {name}.pem; chmod 600 {name}.key"""
    )


def both() -> None:
    """An authority, and a certificate for each end; the peer's where swanctl looks."""
    authority()
    certificate("device")
    certificate("cloud")
    install()


def install() -> None:
    sh(
        f"cd {OWN}; cp cloud.pem {SWANCTL}/x509/; cp cloud.key {SWANCTL}/private/; cp ca.pem {SWANCTL}/x509ca/"
    )


def by_certificate(**more: Any) -> Document:
    own = {
        "id": "device.example",
        "certificate": f"{OWN}/device.pem",
        "privateKey": {"file": f"{OWN}/device.key"},
    }
    return connection(
        localAuth=own | more.pop("own", {}), remoteAuth={"id": "cloud.example", "ca": f"{OWN}/ca.pem"} | more
    )


@in_time
async def test_established() -> None:
    """By certificates of one authority, and again after the agent's and charon's restarts."""
    async with ipsec_stage() as (instance, peer):
        both()
        await peer.load(psk="", local=LOCAL, remote=REMOTE)
        await instance.follow(scope(by_certificate()))
        row = await instance.up()
        assert (row["localId"], row["remoteId"]) == ("device.example", "cloud.example")
        assert " 0% packet loss" in ping(5)
        before = spis()
        instance.again()
        await instance.up()
        assert spis() == before
        await instance.kill()
        await until(lambda: spis() not in (before, {}), "established again")


@in_time
async def test_pinned() -> None:
    """The one certificate that is accepted of the other end, without an authority."""
    async with ipsec_stage() as (instance, peer):
        both()
        await peer.load(psk="", local=LOCAL, remote=REMOTE)
        pinned = by_certificate() | {"remoteAuth": {"certificate": f"{OWN}/cloud.pem"}}
        await instance.follow(scope(pinned))
        await instance.up()


@in_time
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("expired", "valid from Jan 01 00:00:00 2020 to Jan 02 00:00:00 2020 only"),
        ("stranger", "not signed by the authority of remoteAuth.ca"),
        ("identity", "authentication failed: the other end does not accept us"),
        ("ours", "authentication failed: the other end does not accept us"),
        ("key", "is no private key"),
        ("mismatch", "localAuth.privateKey is not the key of the certificate"),
        ("missing", "there is no file /run/certificates/device.pem"),
    ],
)
async def test_words(what: str, words: str) -> None:
    """Whom nobody believes, and which file is at fault, is said; mended, it comes up."""
    async with ipsec_stage() as (instance, peer):
        both()
        wanted = by_certificate()
        if what == "expired":
            certificate("cloud", expired=True)
        elif what in ("stranger", "ours"):
            authority("another")
            certificate("cloud" if what == "stranger" else "device", by="another")
        elif what == "identity":
            wanted = by_certificate(id="other.example")
        elif what == "key":
            Path(f"{OWN}/device.key").write_text(
                "-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----\n"
            )
        elif what == "mismatch":
            sh(f"cp {OWN}/cloud.key {OWN}/device.key")
        elif what == "missing":
            Path(f"{OWN}/device.pem").unlink()
        install()
        await peer.load(psk="", local=LOCAL, remote=REMOTE)
        await instance.follow(scope(wanted))
        said = await instance.says(words)
        assert said.startswith("tunnel cloud1: ")
        if what in ("expired", "stranger"):
            certificate("cloud")
            install()
            await peer.load(psk="", local=LOCAL, remote=REMOTE)
        elif what == "identity":
            await instance.follow(scope(by_certificate()))
        else:
            certificate("device")
        await instance.up()

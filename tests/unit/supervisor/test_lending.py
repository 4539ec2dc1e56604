"""Which copies of secrets there are: of what an instance's own documents name, and of nothing else."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.config.whole import Config, parse
from netnsmgr.errors import KernelError
from netnsmgr.kernel import secrets
from netnsmgr.kernel.secrets import borrow, lent_name, read_secret
from netnsmgr.supervisor.lending import Lending

pytestmark = pytest.mark.root

KEYS = [f"{letter * 43}=" for letter in "AEI"]


def config(*paths: Path) -> Config:
    documents: list[dict[str, Any]] = []
    for number, path in enumerate(paths):
        tunnel = {
            "name": "wg0",
            "addresses": ["10.9.0.2/24"],
            "privateKey": {"file": str(path)},
            "peers": [],
        }
        spec = {
            "subnets": [f"10.{number}.0.0/24"],
            "ports": ["eth0"],
            "vpn": {"wireguard": {"tunnels": [tunnel]}},
        }
        metadata = {"name": f"ni{number}"}
        documents.append(
            {
                "apiVersion": "netnsmgr/v1alpha1",
                "kind": "NetworkInstance",
                "metadata": metadata,
                "spec": spec,
            }
        )
    return parse(documents)


class Site:
    def __init__(self, path: Path) -> None:
        self.keys, self._given = path / "keys", path / "given"
        self.keys.mkdir()
        self._given.mkdir()
        self.lending = Lending(self.given)

    def given(self, name: str) -> tuple[str, int]:
        (self._given / name).mkdir(exist_ok=True)
        return str(self._given / name), 1_900_000_001

    def key(self, name: str, content: str) -> Path:
        path = self.keys / name
        path.write_text(content + "\n", encoding="ascii")
        path.chmod(0o600)
        return path

    def lent(self, name: str) -> dict[str, str]:
        place = self._given / name / "secrets"
        return {each.name: each.read_text() for each in place.iterdir()} if place.exists() else {}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_each_has_its_own_and_whose_group_may_read_it(site: Site) -> None:
    """Root's and the agent's group's; a second look leaves the same file; one that is named no more goes."""

    async def run() -> None:
        one, two = site.key("one", KEYS[0]), site.key("two", KEYS[1])
        names = ["ni0", "ni1", "uplink"]
        site.lending.want(config(one, two), names)
        assert site.lent("ni0") == {lent_name(str(one)): KEYS[0] + "\n"}
        assert site.lent("ni1") == {lent_name(str(two)): KEYS[1] + "\n"}
        copy = Path(site.given("ni0")[0], "secrets", lent_name(str(one)))
        before = copy.stat()
        assert (before.st_uid, before.st_gid, before.st_mode & 0o777) == (0, 1_900_000_001, 0o440)
        site.lending.want(config(one, two), names)
        assert copy.stat().st_ino == before.st_ino
        site.lending.want(config(two), names)
        assert site.lent("ni0") == {lent_name(str(two)): KEYS[1] + "\n"}
        site.lending.close()

    asyncio.run(run())


def test_a_changed_file_is_lent_again_without_an_apply(site: Site) -> None:
    """Also one that was not there, whose agent is told why meanwhile."""

    async def until(expected: dict[str, str]) -> None:
        async with asyncio.timeout(10):
            while site.lent("ni0") != expected:
                await asyncio.sleep(0.01)

    async def run() -> None:
        path = site.keys / "one"
        name = lent_name(str(path))
        site.lending.want(config(path), ["ni0"])
        assert site.lent("ni0").keys() == {name + secrets.WHY}
        assert "there is no file" in site.lent("ni0")[name + secrets.WHY]
        for content in KEYS[:2]:
            fresh = site.key("fresh", content)
            os.replace(fresh, path)
            await until({name: content + "\n"})
        path.chmod(0o644)
        async with asyncio.timeout(10):
            while site.lent("ni0").keys() != {name + secrets.WHY}:
                await asyncio.sleep(0.01)
        site.lending.close()

    asyncio.run(run())


def test_an_agent_reads_the_copy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name that the document has; what is wrong with the file it says in the daemon's words."""
    monkeypatch.setattr(secrets, "_lent", "")

    async def run() -> None:
        path, missing = site.key("one", KEYS[2]), site.keys / "missing"
        site.lending.want(config(path, missing), ["ni0", "ni1"])
        path.unlink()  # as an agent sees it, which cannot reach it
        borrow(f"{site.given('ni0')[0]}/secrets")
        assert read_secret(str(path), "wireguard-key").decode() == KEYS[2]
        borrow(f"{site.given('ni1')[0]}/secrets")
        with pytest.raises(KernelError, match=f"there is no file {missing}"):
            read_secret(str(missing), "wireguard-key")
        site.lending.close()

    asyncio.run(run())

"""Files that change: configuration of helpers, parameters of the kernel."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from netnsmgr.kernel.directory_watch import FilesWatch
from tests.lab.isolate import isolated

PARAMETER = Path("/proc/sys/net/ipv4/conf/lo/accept_local")


async def heard(paths: list[str], change: object, *, timeout: float = 5.0) -> bool:
    """Whether anything is heard of what ``change()`` does."""
    said = asyncio.Event()
    watch = FilesWatch(said.set)
    watch.watch(paths)
    assert callable(change)
    change()
    try:
        async with asyncio.timeout(timeout):
            await said.wait()
    except TimeoutError:
        return False
    finally:
        watch.close()
    return True


def test_files(tmp_path: Path) -> None:
    """Written, made, renamed, removed, given other rights; not read."""
    file = tmp_path / "file"
    paths = [str(tmp_path)]
    for change in (
        lambda: file.write_text("a"),
        lambda: file.write_text("b"),
        lambda: file.rename(tmp_path / "other"),
        lambda: (tmp_path / "other").chmod(0o600),
        (tmp_path / "other").unlink,
    ):
        assert asyncio.run(heard(paths, change))
    file.write_text("a")
    assert not asyncio.run(heard(paths, file.read_text, timeout=0.05))


def test_a_directory_that_is_made_again_is_watched_again(tmp_path: Path) -> None:
    """The old one's watch ends with it; no descriptor is left."""

    async def work() -> None:
        where = tmp_path / "etc"
        where.mkdir()
        said = asyncio.Event()
        watch = FilesWatch(said.set)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            watch.watch([str(where)])
            said.clear()
            (where / "file").write_text("a")
            async with asyncio.timeout(5):
                await said.wait()
            (where / "file").unlink()
            where.rmdir()
            where.mkdir()
        watch.watch([])
        assert len(os.listdir("/proc/self/fd")) == before
        watch.close()

    asyncio.run(work())


def test_what_was_said_is_thrown_away(tmp_path: Path) -> None:
    async def work() -> None:
        watch = FilesWatch(lambda: None)
        watch.watch([str(tmp_path)])
        assert not watch.drain()
        (tmp_path / "file").write_text("a")
        assert watch.drain()
        assert not watch.drain()
        watch.close()

    asyncio.run(work())


@pytest.mark.root
@isolated
def test_parameters() -> None:
    """A write to a parameter of this namespace is heard, one to that of another namespace is not."""
    paths = [str(PARAMETER.parent)]
    assert asyncio.run(heard(paths, lambda: PARAMETER.write_text("1")))
    other = ["unshare", "-n", "sh", "-c", f"echo 1 >{PARAMETER}"]
    assert not asyncio.run(heard(paths, lambda: os.spawnvp(os.P_WAIT, other[0], other), timeout=0.2))

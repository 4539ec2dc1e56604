"""The secret of the records of ports."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.kernel.port_key import FILE, port_key


def test_is_made_once(tmp_path: Path) -> None:
    """The same for everybody and for ever, readable for root alone, and different on every device."""
    key = port_key(str(tmp_path / "one"))
    assert len(key) == 64
    assert port_key(str(tmp_path / "one")) == key
    assert port_key(str(tmp_path / "two")) != key
    assert os.stat(tmp_path / "one" / FILE).st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "one") == [FILE]


@pytest.mark.parametrize("found", ["", "\n", "0" * 63, "0" * 65])
def test_a_damaged_one_is_told(tmp_path: Path, found: str) -> None:
    """An empty key would be everybody's; a new one would make nobody's of the ports that are away."""
    (tmp_path / FILE).write_text(found)
    with pytest.raises(
        KernelError, match=r"ports\.key, the secret of the records of ports, is damaged: put back"
    ):
        port_key(str(tmp_path))


def test_of_several_the_first(tmp_path: Path) -> None:
    """Agents that look at once have the same."""

    def child(_: int) -> bytes:
        read, write = os.pipe()
        if (pid := os.fork()) == 0:
            os.write(write, port_key(str(tmp_path)))
            os._exit(0)
        os.waitpid(pid, 0)
        os.close(write)
        with open(read, "rb") as file:
            return file.read()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(child, range(16)))) == 1
    assert os.listdir(tmp_path) == [FILE]

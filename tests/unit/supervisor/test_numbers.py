"""Numbers of instances on record: a full disk, a damaged file, an earlier version."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netnsmgr.supervisor.numbers import NumbersFile


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    for name in "run", "state":
        (tmp_path / name).mkdir()
    return tmp_path / "run", tmp_path / "state"


def file(places: tuple[Path, Path]) -> NumbersFile:
    return NumbersFile(*map(str, places))


def test_there_and_back(places: tuple[Path, Path]) -> None:
    """Also after a reboot, which empties the run directory."""
    assert file(places).read() == {}
    file(places).write({"ni1": 0, "ni2": 3})
    assert file(places).read() == {"ni1": 0, "ni2": 3}
    (places[0] / "numbers.json").unlink()
    assert file(places).read() == {"ni1": 0, "ni2": 3}


@pytest.mark.parametrize(
    "text", [b"", b"\0\0", b"[]", b'{"ni1": "0"}', b'{"ni1": -1}', b'{"ni1": true}', b"[" * 99999]
)
@pytest.mark.parametrize("which", [0, 1])
def test_damaged(places: tuple[Path, Path], text: bytes, which: int) -> None:
    """A damaged file is set aside, and the other one counts; without one, nobody has a number."""
    file(places).write({"ni1": 4})
    path = places[which] / "numbers.json"
    path.write_bytes(text)
    for _ in range(2):
        assert file(places).read() == {"ni1": 4}
    assert path.with_name("numbers.json.damaged").read_bytes() == text
    (places[1 - which] / "numbers.json").unlink()
    assert file(places).read() == {}


def test_disk_that_cannot_be_written(places: tuple[Path, Path]) -> None:
    """What was written last counts, where there was room for it."""
    file(places).write({"ni1": 0})
    os.utime(places[1] / "numbers.json", (1000, 1000))
    (places[1] / "numbers.tmp").mkdir()
    file(places).write({"ni1": 0, "ni2": 1})
    assert file(places).read() == {"ni1": 0, "ni2": 1}


def test_an_earlier_version_in_between(places: tuple[Path, Path]) -> None:
    """It knows the state directory's file alone."""
    file(places).write({"ni1": 0})
    os.utime(places[0] / "numbers.json", (1000, 1000))
    (places[1] / "numbers.json").write_text('{"ni2": 0}')
    assert file(places).read() == {"ni2": 0}

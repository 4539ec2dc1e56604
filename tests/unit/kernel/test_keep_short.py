"""A helper's log that does not grow for ever."""

from __future__ import annotations

from pathlib import Path

from netnsmgr.kernel.files import keep_short


def test_what_is_too_long_goes_aside(tmp_path: Path) -> None:
    """The writer goes on in the same file, which begins anew; what was there is kept once."""
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as writer:
        for _ in range(3):
            writer.write(b"x" * 100)
            keep_short(str(path), 150)
        assert path.read_bytes() == b"x" * 100
        writer.write(b"y")
        assert path.read_bytes() == b"x" * 100 + b"y"
    assert (tmp_path / "log.1").read_bytes() == b"x" * 200
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log", "log.1"]


def test_no_log_is_short(tmp_path: Path) -> None:
    """There is none before the helper's first word."""
    keep_short(str(tmp_path / "log"))
    assert not list(tmp_path.iterdir())

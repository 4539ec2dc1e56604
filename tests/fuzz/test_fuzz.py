"""Whatever bytes others choose: what reads them raises nothing, and is not slow.

Each target begins from what it understands and gets it changed; ``make fuzz`` does the same for longer, led by which
lines are reached.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import __main__ as program
from tests.fuzz.targets import TARGETS

SECONDS = 5.0
"""Of the processor, for one input of some kilobytes at most; on a busy machine as well."""
PLACE = st.floats(0, 1, exclude_max=True)
PIECE = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"\0", b"\xff" * 4, b"\0" * 40, b"%", b"\n", b"{", b"[" * 200, b'"', b": ", b"9" * 40, b"\xe2\x80\xae"]),
)  # fmt: skip
CHANGES = st.lists(st.tuples(PLACE, st.integers(0, 12), PIECE), max_size=6)
"""Where, how many bytes are taken away there, and what comes in their place."""


@pytest.mark.parametrize("name", TARGETS)
def test_changed(name: str) -> None:
    """What a target understands, changed here and there, and cut off."""
    target = TARGETS[name]

    @settings(max_examples=25 if max(map(len, target.seeds)) > 2000 else 150)
    @given(st.sampled_from(target.seeds), CHANGES, PLACE | st.just(1.0))
    def check(seed: bytes, changes: list[tuple[float, int, bytes]], end: float) -> None:
        for place, gone, new in changes:
            at = int(place * len(seed))
            seed = seed[:at] + new + seed[at + gone :]
        _quick(name, seed[: int(end * len(seed))])

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_anything(name: str) -> None:
    """Bytes that nobody has thought of."""

    @settings(max_examples=50)
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        _quick(name, data)

    check()


@pytest.mark.parametrize("name", TARGETS)
def test_what_it_understands(name: str) -> None:
    """As it is, and many times over."""
    for seed in TARGETS[name].seeds:
        _quick(name, seed)
        _quick(name, seed * (200_000 // len(seed)))


def test_without_atheris(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is not installed ``make fuzz`` says so, and is no failure."""
    monkeypatch.setattr(program, "find_spec", lambda _: None)
    monkeypatch.setattr("sys.argv", ["fuzz"])
    assert program.main() == 0
    assert "nothing was done: the package atheris is not installed" in capsys.readouterr().out


def _quick(name: str, data: bytes) -> None:
    begin = time.process_time()
    TARGETS[name].run(data)
    assert time.process_time() - begin < SECONDS

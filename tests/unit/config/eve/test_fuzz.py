"""Whatever is done to a configuration of EVE: it is converted, or refused in our own words, and never slowly."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netnsmgr.cli.output import yaml_text
from netnsmgr.config import from_eve
from netnsmgr.config.check import check
from netnsmgr.config.converted import Wishes
from netnsmgr.config.load import load_text
from netnsmgr.errors import ConfigError
from tests.unit.config.eve.written import app, device, instance, interface, rule

TEXT = (Path(__file__).parents[4] / "poc" / "edge-config.json").read_text(encoding="utf-8")
PSK = "the secret of"

STRANGE: st.SearchStrategy[Any] = st.sampled_from([
    None, True, False, 0, 1, -1, 3, 10**25, 2**31, 1e308, 1.5, "", "1", "x" * 300, "\ud800", "\x00\x1b[31m\n", "eth0", "ni1",
    "all", "0.0.0.0/0", "::/0", "::1", "fe80::1%eth0", "::ffff:1.2.3.4", "999.1.1.1", "10.10.1.0/24", "10.0.0.0/99999999999999999999",
    "١٢", [], {}, [None], [[]], {"": {}}, {"a": 1}, [1, "2", {}], "\u202e", "-", "--", ".", "*", "all", "Static", "PORTMAP",
])  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where in a document something stands."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*path, key))


DOCUMENT = json.loads(TEXT)
PATHS = list(paths(DOCUMENT))


def taken(text: str) -> None:
    """Convert, and look at what came of it."""
    begin = time.process_time()
    try:
        found = from_eve.convert(text, "f", Wishes(secrets="/s", attach="netns"))
    except ConfigError as error:
        said = [str(each) for each in error.problems]
        assert all(each.startswith("f:") and "\n" not in each and len(each) < 2000 for each in said), said
    else:
        said = [str(each) for each in found.notes]
        assert all(each.startswith("f:") and "\n" not in each and len(each) < 4000 for each in said), said
        written = "---\n".join(map(yaml_text, found.documents))
        written.encode()
        assert PSK not in written
        assert load_text(written).documents == list(found.documents)
        check(found.documents, {})
        assert found.complete is not None
    "\n".join(said).encode()
    assert PSK not in "".join(said)
    assert time.process_time() - begin < 5


@settings(max_examples=120)
@given(st.lists(st.tuples(st.sampled_from(PATHS), STRANGE, st.booleans()), min_size=1, max_size=4))
def test_values_of_another_kind(changes: list[tuple[tuple[Any, ...], Any, bool]]) -> None:
    """Anywhere in the document, or taken away, or there twice."""
    document = json.loads(TEXT)
    for path, value, remove in changes:
        here: Any = document
        try:
            for step in path[:-1]:
                here = here[step]
            if remove:
                del here[path[-1]]
            else:
                here[path[-1]] = value
        except (LookupError, TypeError):
            continue
    taken(json.dumps(document))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(0, 3), st.text(max_size=3)), max_size=5))
def test_characters_changed(changes: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for at, length, new in changes:
        text = text[:at] + new + text[at + length :]
    taken(text)


@settings(max_examples=60)
@given(st.sampled_from(PATHS), st.sampled_from(PATHS))
def test_parts_in_the_place_of_others(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    document = json.loads(TEXT)
    part: Any = json.loads(TEXT)
    for step in one:
        part = part[step]
    here: Any = document
    for step in other[:-1]:
        here = here[step]
    here[other[-1]] = part
    taken(json.dumps(document))


def large() -> Iterator[tuple[str, str]]:
    many = [instance(f"ni{n}", port={"name": "all"}) for n in range(2000)]
    yield "instances", json.dumps(device(*many))
    yield (
        "of one name",
        json.dumps(device(*(instance("same", uuidandversion={"uuid": f"{n:08}"}) for n in range(2000)))),
    )
    yield "applications", json.dumps(device(instance(), *(app(f"app{n}", x=1) for n in range(2000))))
    rules = [rule({"ip": f"10.{n // 256}.{n % 256}.0/24"}, 7) for n in range(4000)]
    yield "rules of one number", json.dumps(device(instance(), app("app1", interface("ni1", *rules))))
    yield "faults", json.dumps(device(*(instance(f"ni{n}", ip={}) for n in range(2000))))
    yield "unknown fields", json.dumps(device(instance() | {f"f{n}": 1 for n in range(50_000)}))
    yield "depth", '{"apps": ' + "[" * 200_000
    yield "brackets", '{"apps": [' + "[]," * 100_000 + "[]]}"
    yield "digits", '{"apps": ' + "9" * 1_000_000 + "}"
    yield "an open text", '{"apps": "' + "\\u0041" * 300_000
    yield "blanks", " " * 1_000_000 + '{"apps": 1}' + "\n" * 1_000_000
    opaque = {"oconfig": "[" * 500_000}
    yield "an opaque text", json.dumps(device(instance(instType=3, cfg=opaque)))


LARGE = dict(large())


@pytest.mark.parametrize("name", LARGE)
def test_large_ones_are_not_slow(name: str) -> None:
    """What has a square in it shows here."""
    text = LARGE[name]
    begin = time.process_time()
    with suppress(ConfigError):
        from_eve.convert(text, "f", Wishes(secrets="/s", attach="netns"))
    assert time.process_time() - begin < 10

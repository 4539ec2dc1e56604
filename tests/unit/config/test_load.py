"""The loader: every fault of every file, at its line and column, and never an exception."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from netnsmgr.config import load as load_module
from netnsmgr.config.load import Loaded, load, load_text
from netnsmgr.errors import ConfigError, Problem


def said(loaded: Loaded) -> list[str]:
    return [f"{p.line}:{p.column}: {p.what}" for p in loaded.report()]


def test_documents() -> None:
    """Documents come in the order of the text; empty ones between two --- are nothing."""
    loaded = load_text("---\na: 1\n---\n---\n# comment\n---\nb: {c: [x, no]}\n...\n")
    assert loaded.documents == [{"a": 1}, {"b": {"c": ["x", "no"]}}]
    assert (loaded.problems, loaded.complete) == ([], True)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n---\n", "\ufeff"])
def test_empty(text: str) -> None:
    """A file without a document is a fault."""
    loaded = load_text(text)
    assert loaded.documents == []
    assert said(loaded) == [
        "1:1: the file is empty: it has no document; write at least one, or leave the file out"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n\tb: 1\n", "2:1: a tab; YAML is indented with spaces"),
        ("a: b: c\n", "1:5: unexpected ': '; check the indentation"),
        (
            "a: [1,\n  2\n",
            "3:1: the list that opened with '[' is not closed; add ',' or ']' (while parsing a flow",
        ),
        ("a: {b: 1\n", "2:1: the mapping that opened with '{' is not closed"),
        ("a: 'x\n", "2:1: a quoted text is not closed before the end of the file"),
        ("a: @x\n", "1:4: unexpected character; quote text that starts with it"),
        ('a: "\\q"\n', '1:5: unknown escape in "…"'),
        ("- a\nb: c\n", "2:1: expected '- ' as in the items before"),
        ("a: 1\n b: 2\n", "2:3: unexpected ': '"),
        ("a: \x01b\n", "1:4: control character U+0001"),
        ("ä: 1\nö: \x7f\n", "2:4: control character U+007F"),
        ("a: 1\na: 2\n", "2:1: duplicate key 'a'; it was first given at line 1, column 1"),
        ("a:\n  {b: 1, b: 1}\n", "2:10: duplicate key 'b'; it was first given at line 2, column 4"),
        ("{{ x }}: 1\n", "1:1: a key must be plain text"),
        ("? [a]\n: 1\n", "1:3: a key must be plain text"),
        ("? \n: 1\n", "1:2: a key is missing before ':'"),
        ("<<: {a: 1}\nb: 1\n", "1:1: merge keys (<<) are not part of YAML 1.2; repeat the fields"),
        ("a: !vault x\n", "1:4: unknown tag !vault"),
        ("a: !!set {b}\n", "1:4: unknown tag tag:yaml.org,2002:set"),
        ("a: !x [b]\n", "1:4: unknown tag !x"),
        ("a: !!int x\n", "1:4: 'x' is no int as its tag !!int says"),
        ("a: *b\n", "1:4: alias *b has no anchor &b before it in this document"),
        ("a: &b [*b]\n", "1:8: alias *b stands within its own anchor"),
        ("- a\n", "1:1: a document must be a mapping"),
        ("hello\n", "1:1: a document must be a mapping"),
    ],
)
def test_faults(text: str, expected: str) -> None:
    """Each fault of the text is reported once, where it is, with what to do."""
    (fault,) = said(load_text(text))
    assert fault.startswith(expected)


def test_all_faults() -> None:
    """A syntax error costs its own document only; the faults of all the others are reported too."""
    loaded = load_text("a: 1\na: 2\n---\nb: [1\n---\nc: 'x\n---\nd: 1\nd: 1\n---\ne:\n\tf\n")
    assert [fault.split(" ")[0] for fault in said(loaded)] == ["2:1:", "5:1:", "7:1:", "9:1:", "12:1:"]
    assert loaded.documents == [{"a": 1}, {"d": 1}]
    assert not loaded.complete


def test_syntax_errors_are_bounded() -> None:
    """A file of nothing but errors is given up after twenty of them."""
    assert len(load_text("---\na: [\n" * 1000).problems) == 21


def test_not_utf8() -> None:
    """A byte that is not UTF-8 is named with its place, counted in characters."""
    assert said(load_text("a: 1\nbü: ".encode() + b"\xff\n")) == [
        "2:5: byte 0xff is not UTF-8; save the file as UTF-8"
    ]
    assert said(load_text("a: 1".encode("utf-16"))) == ["1:1: the text is UTF-16; save it as UTF-8"]


def test_byte_order_mark() -> None:
    """A UTF-8 byte order mark, as some editors write it, is no fault and moves no column."""
    loaded = load_text(b"\xef\xbb\xbfa: 1\na: 1\n")
    assert loaded.documents == [{"a": 1}]
    assert said(loaded)[0].startswith("2:1:")


def test_bomb() -> None:
    """Ten levels of ten aliases, ten milliard values, are refused at once and at the place where it is too much."""
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 11))
    (fault,) = said(load_text("l0: &l0 [x, x]\n" + levels))
    assert fault.endswith("aliases stand for more than 100000 values; write the values out")
    assert fault.startswith("6:")


def test_bomb_in_many_files(tmp_path: Path) -> None:
    """The bound of aliases holds for a whole load, not for each file."""
    text = f"a: &a [{'x, ' * 900}x]\nb: [{', '.join(['*a'] * 60)}]\n"
    for name in ("1.yaml", "2.yaml"):
        (tmp_path / name).write_text(text)
    assert load([tmp_path / "1.yaml"]).problems == []
    assert [p.file for p in load([tmp_path]).problems] == [str(tmp_path / "2.yaml")]


def test_aliases() -> None:
    """Anchors and aliases within reason are taken; an anchor ends with its document."""
    assert load_text("a: &x {b: 1}\nc: *x\n").documents == [{"a": {"b": 1}, "c": {"b": 1}}]
    assert load_text("&k a: 1\nb: *k\n").documents == [{"a": 1, "b": "a"}]
    assert said(load_text("a: &x 1\n---\nb: *x\n"))[0].startswith("3:4: alias *x has no anchor")


@pytest.mark.parametrize("text", ["[" * 200_000, "a: " + "{b: " * 100_000, "- " * 5000])
def test_deep(text: str) -> None:
    """A text of nothing but brackets is a fault, not the end of the process."""
    (fault,) = said(load_text(text))
    assert "nested more than 64 deep" in fault


def test_large() -> None:
    """A file over the bound is refused unread."""
    assert said(load_text(b"#" * (4 * 1024 * 1024 + 1))) == [
        "1:1: larger than 4 MiB; split it into several files"
    ]


def test_files_and_directories(tmp_path: Path) -> None:
    """Files come in the order given; of a directory the *.yaml and *.yml, sorted, hidden ones left out."""
    for name in ("b.yml", "a.yaml", "c.txt", ".d.yaml"):
        (tmp_path / name).write_text(f"name: {name}\n")
    single = tmp_path / "single"
    single.write_text("name: single\n")
    names = [document["name"] for document in load([single, tmp_path]).documents]
    assert names == ["single", "a.yaml", "b.yml"]


def test_unreadable(tmp_path: Path) -> None:
    """Files that cannot be read are faults among the others."""
    (tmp_path / "good.yaml").write_text("a: 1\n")
    (tmp_path / "empty").mkdir()
    loaded = load([tmp_path / "none.yaml", tmp_path / "good.yaml", tmp_path / "empty"])
    assert [(Path(p.file).name, p.what) for p in loaded.problems] == [
        ("none.yaml", "cannot be read: No such file or directory"),
        ("empty", "the directory has no *.yaml or *.yml file"),
    ]
    assert (loaded.documents, loaded.complete) == ([{"a": 1}], False)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: 1\na: 2\n")))
    (problem,) = load(["-"]).problems
    assert str(problem).startswith("<stdin>:2:1: duplicate key")


TEXT = """\
kind: A
---
kind: B
spec:
  dhcp: {range: x, leaseTime: 1h}
  list:
    - name: eth0
      extra: 1
    - [p, "q"]
  nothing:
"""


@pytest.mark.parametrize(
    ("where", "what", "place"),
    [
        ((), "wrong", (3, 1)),
        (("kind",), "wrong", (3, 7)),
        (("spec",), "wrong", (4, 1)),
        (("spec", "dhcp", "range"), "wrong", (5, 17)),
        (("spec", "dhcp", "leaseTime"), "unknown field 'leaseTime'", (5, 20)),
        (("spec", "dhcp"), "wrong", (5, 3)),
        (("spec", "dhcp", "missing"), "required", (5, 3)),
        (("spec", "list", 0, "extra"), "unsupported field 'extra'", (8, 7)),
        (("spec", "list", 0, "extra"), "wrong", (8, 14)),
        (("spec", "list", 0, "missing"), "required", (7, 7)),
        (("spec", "list", 1, 1), "wrong", (9, 11)),
        (("spec", "list", 7), "wrong", (6, 3)),
        (("spec", "nothing"), "has no value", (10, 3)),
        (("metadata", "name"), "required", (3, 1)),
    ],
)
def test_locate(where: tuple[str | int, ...], what: str, place: tuple[int, int]) -> None:
    """A value is pointed at itself, an unknown field at its key, what is missing at its parent."""
    problem = load_text(TEXT, "f").locate(Problem(what, where, document=1))
    assert (problem.file, (problem.line, problem.column)) == ("f", place)


def test_locate_elsewhere() -> None:
    """A problem of a document that is not in these files, or that has a place already, stays as it is."""
    loaded = load_text(TEXT)
    for problem in (Problem("x", document=-1), Problem("x", document=2), Problem("x", file="g", line=3)):
        assert loaded.locate(problem) == problem


def test_report_order(tmp_path: Path) -> None:
    """Problems are reported in the order of the files and of their lines, those without a place last."""
    (tmp_path / "b").write_text("x: 1\nx: 2\n")
    (tmp_path / "a").write_text("x: 1\n")
    loaded = load([tmp_path / "b", tmp_path / "a"])
    found = [Problem("of a", document=1), Problem("of none", document=-1), Problem("of b", document=0)]
    assert [p.what.split(";")[0] for p in loaded.report(found)] == [
        "of b",
        "duplicate key 'x'",
        "of a",
        "of none",
    ]
    with pytest.raises(ConfigError, match="of none"):
        loaded.require(found)


def test_no_models() -> None:
    """Loading needs no pydantic: it would cost the command line more than all the rest."""
    code = "import sys, netnsmgr.config.load; sys.exit('pydantic' in sys.modules)"
    root = str(Path(load_module.__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0

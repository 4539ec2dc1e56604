"""What is printed, whoever has written it."""

from __future__ import annotations

import json

import pytest

from netnsmgr.cli import output

ODD = "\x1b]0;title\x07 \x1b[2J \x9b2J \r \ud800"


def test_no_text_commands_the_terminal_or_cannot_be_printed() -> None:
    """Statuses and events are agents' words; colours, line ends and other languages stay."""
    assert output.harmless(ODD) == "\ufffd]0;title\ufffd \ufffd[2J \ufffd2J \ufffd \ufffd"
    ours = "\x1b[31mrot\x1b[0m\tgrün\n"
    assert output.harmless(ours) == ours


@pytest.mark.parametrize("fmt", ["json", "yaml", "table", "line"])
def test_in_each_format(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    if fmt == "table":
        output.table(["REASON"], [[ODD]])
    elif fmt == "line":
        output.say(ODD)
    else:
        output.data({"reason": ODD}, fmt)
    said = capsys.readouterr().out
    said.encode()
    assert not any(char in said for char in "\x1b\x07\x9b\r")
    if fmt == "json":
        assert json.loads(said) == {"reason": ODD}

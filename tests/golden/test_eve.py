"""A configuration of EVE in; the YAML, and what is said beside it, as text to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from netnsmgr.cli.main import cli
from tests.golden.conftest import Golden

POC = Path(__file__).parents[2] / "poc"


def test_convert(golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This is what ``netnsmgr convert`` prints of the scenario as a controller of EVE has it."""
    monkeypatch.chdir(POC)
    arguments = ["convert", "edge-config.json", "--attach", "container", "--secrets", str(tmp_path)]
    result = CliRunner().invoke(cli, arguments)
    said = "".join(f"# {line}\n" for line in result.stderr.splitlines())
    golden("eve", (said + result.stdout).replace(str(tmp_path), "/etc/netnsmgr/secrets"))

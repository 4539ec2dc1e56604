"""What each form's version wrote is read today: ``forms/<form>`` are state directories as a daemon left them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from netnsmgr.pubsub.migrations import FORM
from netnsmgr.pubsub.store import State, Store, Stored
from netnsmgr.supervisor.damage import fault
from tests.scenarios.test_upgrade import documents

FORMS = Path(__file__).with_name("forms")
TABLES = {"Device": "DevicePortConfig", "NetworkInstance": "NetworkInstanceConfig", "App": "AppNetworkConfig"}
EXPECTED: dict[str, dict[str, Stored]] = {table: {} for table in TABLES.values()}
for each in documents():
    EXPECTED[TABLES[each["kind"]]][each["metadata"]["name"]] = Stored("cli", each)


def test_each_form_is_recorded() -> None:
    """Also the present one: what it writes now, the versions that come have to read."""
    assert {int(path.name) for path in FORMS.iterdir()} == set(range(1, FORM + 1))


@pytest.mark.parametrize("form", range(1, FORM + 1))
def test_recorded(form: int, tmp_path: Path) -> None:
    """It holds everything, is taken in by today's schema, and is in the present form afterwards."""
    state = tmp_path / "state"
    shutil.copytree(FORMS / str(form), state)
    store = Store(state, fault)
    for _ in range(2):
        assert store.load() == State(2, EXPECTED)
        assert store.damage == []
    assert store.revisions()[0].number == 2
    assert store.read(2) == State(2, EXPECTED)
    assert not (state / "rows.json.bak").exists()


@pytest.mark.parametrize("text", ["", '{"version": 1}', "[]"])
def test_form_1_damaged(tmp_path: Path, text: str) -> None:
    """Its backup is used, which is one change older and therefore not complete; both stay to be looked at."""
    state = tmp_path / "state"
    shutil.copytree(FORMS / "1", state)
    (state / "rows.json").write_text(text)
    store = Store(state)
    loaded = store.load()
    assert (loaded.revision, loaded.complete) == (2, False)
    assert loaded.rows["AppNetworkConfig"].keys() == EXPECTED["AppNetworkConfig"].keys() - {"app3"}
    assert "rows.json is damaged" in store.damage[0]
    assert (state / "rows.json.damaged").read_text() == text
    assert [(r.number, r.what, r.complete) for r in store.revisions()] == [
        (2, "recovered", False),
        (1, "migrated", False),
    ]
    assert Store(state).load() == loaded


def test_form_1_without_its_file(tmp_path: Path) -> None:
    """A backup alone is one change older, too."""
    state = tmp_path / "state"
    shutil.copytree(FORMS / "1", state)
    (state / "rows.json").unlink()
    assert not Store(state).load().complete
    (tmp_path / "other").mkdir()
    shutil.copy(FORMS / "1/rows.json", tmp_path / "other/rows.json.damaged")
    assert not Store(tmp_path / "other").load().complete

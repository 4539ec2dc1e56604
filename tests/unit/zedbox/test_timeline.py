"""Timelines: read with all faults at once, drawn by lot the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from zedbox_mock import TimelineError
from zedbox_mock.timeline import Event, read_timeline

WHOLE = """
documents: site.yaml
timeout: 5
repeat: 2
actions: {down: ip link set {port} down, up: [ip, link, set, "{port}", up]}
events:
  - {at: 3, add: app/app1}
  - {at: 1, remove: [app/app1, network-instance/ni1]}
  - {at: 2.5, change: network-instance/ni2, spec: {dns: {}}}
random: {events: 40, every: 0.5, of: [eth1, app/app2], seed: 7}
""".replace("ip link set {port} down", "'ip link set {port} down'")


def timeline(tmp_path: Path, text: str) -> str:
    path = tmp_path / "timeline.yaml"
    path.write_text(text)
    return str(path)


def test_whole(tmp_path: Path) -> None:
    """Paths are relative to the file, events in the order of time, and random ones come after."""
    found = read_timeline(timeline(tmp_path, WHOLE))
    assert found.documents == (str(tmp_path / "site.yaml"),)
    assert found.actions == {
        "down": ("ip", "link", "set", "{port}", "down"),
        "up": ("ip", "link", "set", "{port}", "up"),
    }
    first, second = found.rounds()
    assert first[:3] == [
        Event(1, "remove", ("app/app1", "network-instance/ni1")),
        Event(2.5, "change", ("network-instance/ni2",), {"dns": {}}),
        Event(3, "add", ("app/app1",)),
    ]
    assert [event.at for event in first[3:]] == [3.5 + n / 2 for n in range(40)]
    assert (len(first), len(second)) == (43, 43)


def test_random_goes_and_comes_back(tmp_path: Path) -> None:
    """What is away comes back before it goes again; the seed decides, and can be given."""
    path = timeline(tmp_path, WHOLE)
    for events in read_timeline(path).rounds():
        for target, pair in (("eth1", ["down", "up"]), ("app/app2", ["remove", "add"])):
            verbs = [event.verb for event in events if event.targets == (target,)]
            assert verbs == (pair * len(verbs))[: len(verbs)]
    drawn = [list(read_timeline(path, seed).rounds()) for seed in (7, 7, 8)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == list(read_timeline(path).rounds())


def test_everything_that_is_wrong(tmp_path: Path) -> None:
    """All faults together, each with its place and what to do."""
    text = """
events:
  - {at: 1, destroy: app/app1}
  - {at: -1, remove: app1}
  - {at: 1, down: eth1}
random: {events: 1, of: [], speed: 3}
color: blue
"""
    with pytest.raises(TimelineError) as wrong:
        read_timeline(timeline(tmp_path, text))
    for each in (
        "documents: name the files",
        "events[0]: write {at: SECONDS, VERB: …}",
        "events[1]: 'app1' is no object; write it like app/app1",
        "events[1].at: has to be a number",
        "events[2]: actions.down says by which command",
        "random.of: name ports",
        "random: unknown field 'speed'",
        "unknown field 'color'",
    ):
        assert each in str(wrong.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- 1",
        "a: [",
        "documents: 7",
        "events: 7",
        "random: 7",
        "actions: [1]",
        "repeat: x",
        "random: {of: 7}",
        "events: [7]",
        "actions: {down: 7}",
        'actions: {down: "\'"}',
    ],
)
def test_nonsense(tmp_path: Path, text: str) -> None:
    with pytest.raises(TimelineError):
        read_timeline(timeline(tmp_path, text))


def test_bounded(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match="more than 10000 events"):
        read_timeline(timeline(tmp_path, WHOLE.replace("repeat: 2", "repeat: 1000")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("repeat: .inf", "repeat: has to be a number"),
        ("timeout: .nan", "timeout: has to be a number"),
        ("actions: {down: []}", "actions.down: the command is empty"),
        ("actions: {up: ''}", "actions.up: the command is empty"),
    ],
)
def test_what_is_no_number_and_no_command(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TimelineError) as wrong:
        read_timeline(timeline(tmp_path, f"documents: site.yaml\n{text}\n"))
    assert str(wrong.value).endswith(said + ", 0 or more" * ("number" in said))


def test_the_lab_s_own() -> None:
    """The timeline that lies beside the scenario can be played."""
    found = read_timeline(str(Path(__file__).parents[3] / "poc" / "timeline.yaml"), 1)
    assert Path(found.documents[0]).exists()
    assert len(next(iter(found.rounds()))) == 7 + 10

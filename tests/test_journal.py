from __future__ import annotations

from pathlib import Path

import pytest

from sidcap.capture.bracket import unfinished
from sidcap.capture.journal import Journal
from sidcap.data_manifest.errors import ManifestError


def test_events_come_back_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.record("shot", index=0)
    journal.record("frame", path="long/00001_00_10s.CR2")
    assert [event["event"] for event in journal.events()] == ["shot", "frame"]
    assert journal.events()[0]["index"] == 0


def test_a_line_cut_short_by_a_power_loss_harms_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.record("shot", index=0)
    journal.record("shot", index=1)
    journal.path.write_bytes(journal.path.read_bytes()[:-20])
    journal.record("shot", index=2)
    assert [event["index"] for event in journal.events()] == [0, 2]


def test_no_journal_has_no_events(tmp_path: Path) -> None:
    assert Journal(tmp_path / "none.jsonl").events() == []


@pytest.mark.parametrize(
    "line", ['{"event": "bracket"}', '{"utc": "2026-01-02T03:04:05+00:00"}', "[1]", "7", '{"event": 1}']
)
def test_a_line_that_is_no_event_is_left_out(tmp_path: Path, line: str) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.record("shot", index=0)
    with journal.path.open("a") as file:
        file.write(line + "\n")
    assert [event["event"] for event in journal.events()] == ["shot"]


def test_a_broken_bracket_in_the_journal_is_one_line_that_names_it() -> None:
    broken = {"event": "bracket", "utc": "2026-01-02T03:04:05+00:00", "scene": 1, "split": "train", "plan": {}}
    with pytest.raises(ManifestError, match=r"journal\.jsonl: the line 'bracket' of 2026-01-02") as caught:
        unfinished([broken])
    assert "\n" not in str(caught.value)

from __future__ import annotations

from pathlib import Path

from sidcap.capture.journal import Journal


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

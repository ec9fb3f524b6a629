"""What cannot be used and why; what people decided and noted."""

from __future__ import annotations

from sidcap.curate.report.contents import Contents, PairOf
from sidcap.curate.report.words import NOTHING, day, standing
from sidcap.data_manifest.pages.document import Block, Section, Table, Words


def unusable(contents: Contents) -> Section:
    """Every pair that is not trained on."""
    rows = tuple(
        (one.name, one.scene.split.value, f"{one.pair.ratio.nominal:.4g}", standing(one.pair.standing), _why(one))
        for one in contents.pairs
        if not one.pair.usable
    )
    block: Block
    if not contents.pairs:
        block = Words("There are no pairs yet.")
    elif not rows:
        block = Words("Every pair can be used.", "good")
    else:
        block = Table(
            f"{len(rows):,} of {len(contents.pairs):,} pairs are not trained on",
            ("Pair", "Split", "Ratio", "Stands at", "Why"),
            rows,
            frozenset({"Ratio"}),
            sortable=True,
            note="`sidcap decide` lets a person overrule any of them.",
        )
    return Section("unusable", "What cannot be used, and why", (block,))


def _why(one: PairOf) -> str:
    if one.pair.decision is not None:
        return f"{one.pair.decision.by}: {one.pair.decision.why}"
    for path in (one.pair.frame, one.pair.reference):
        if (frame := one.scene.frame(path)).missing:
            return frame.why_missing
    if one.pair.alignment is None:
        return "nobody looked yet: run `sidcap verify-alignment`"
    return "; ".join(one.pair.alignment.reasons)


def people(contents: Contents) -> Section:
    """Decisions, the withdrawn ones too, and notes on scenes."""
    decisions = tuple(
        (
            name,
            standing(decision.choice),
            decision.by,
            day(decision.decided_utc),
            decision.why,
            NOTHING if pair.alignment is None else pair.alignment.verdict.value,
        )
        for scene in contents.scenes
        for pair in scene.all_pairs
        for name in [PairOf(scene, pair).name]
        for decision in pair.decisions
    )
    notes = tuple((scene.name, scene.note) for scene in contents.scenes if scene.note)
    blocks: list[Block] = []
    if decisions:
        columns = ("Pair", "Decision", "Who", "When", "Why", "Verdict was")
        blocks.append(Table("Decisions, in the order of the scenes", columns, decisions, sortable=True))
    else:
        blocks.append(Words("Nobody decided anything: the verdicts stand as they were measured."))
    if notes:
        blocks.append(Table("Notes on scenes", ("Scene", "Note"), notes))
    return Section("people", "What people decided", tuple(blocks))

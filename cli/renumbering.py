"""What the journal is told when scenes got other numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidcap.data_manifest.renumber import Plan
    from sidcap.data_manifest.store import Store


def note_renumbering(store: Store, plan: Plan, *, by: str | None = None) -> None:
    """Write down which scene got which number, and who wanted it, where it was a person.

    Not where nothing was shot, for a journal says that something was.
    """
    from sidcap.capture.journal import Journal

    if store.journal_path.exists():
        who = {} if by is None else {"by": by}
        Journal(store.journal_path).record("renumbered", moves=[move.model_dump() for move in plan.moves], **who)

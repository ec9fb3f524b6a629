"""Every command for sharing, and for finding one's way, that README, docs/ and --help show does what it says."""

from __future__ import annotations

from document_commands import SHARING
from document_runs import each_runs

test_a_command_that_is_shown_runs = each_runs(SHARING)

"""Every command for judging runs and using them that README, docs/ and --help show does what it says."""

from __future__ import annotations

from document_commands import JUDGING
from document_runs import each_runs

test_a_command_that_is_shown_runs = each_runs(JUDGING)

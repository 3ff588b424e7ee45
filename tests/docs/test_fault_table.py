"""The page on clusters shows the faults that `make faults` has measured."""

from __future__ import annotations

import json

from faults.table import PAGE, RESULT, made


def test_the_table_of_faults_is_the_one_that_was_measured() -> None:
    """`make faults` writes both."""
    page, result = PAGE.read_text(), json.loads(RESULT.read_text())
    assert page == made(page, result)
    assert all(row["lost"] == 0 for row in result["rows"])

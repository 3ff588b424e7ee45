"""Print every message about a wrong search space: python tests/support/show_messages.py.

For an editor: the tests pin what a message holds, not its sentence; this shows the sentences.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.mistakes import MISTAKES
from support.spec_project import write_project
from tid_tune.errors import SpecError
from tid_tune.searchfile import load


def message_about(text: str) -> str:
    """Return the message about a wrong file in the current folder."""
    Path("search.yaml").write_text(text)
    try:
        load("search.yaml")
    except SpecError as error:
        return str(error)
    return "no message"


def main() -> None:
    """Write one paragraph a mistake: its name, then the message."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_project()
        for name, mistake in MISTAKES.items():
            sys.stdout.write(f"{name}\n    " + message_about(mistake.text).replace("\n", "\n    "))
            sys.stdout.write("\n")
        os.chdir("/")


if __name__ == "__main__":
    main()

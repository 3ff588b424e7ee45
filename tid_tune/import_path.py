"""Where modules that a user's files name are looked for: the same place in every command."""

from __future__ import annotations

import os
import sys


def search_current_folder() -> None:
    """Let imports find the modules of the current folder, after the installed ones.

    `python -m` and scripts in a folder find them anyway; an installed command does not. Last, so
    that a file such as `random.py` does not replace a module of Python's.
    """
    folder = os.getcwd()
    if folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)

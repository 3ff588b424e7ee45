"""Asks every node of the cluster, once, what it has; prints what they have; refuses what differs.

Nodes that join later are asked beside the search, before they count as nodes that trials run on.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tid_tune import console
from tid_tune.errors import ConfigError, UsageError
from tid_tune.nodes.faults import node_findings
from tid_tune.nodes.survey import DRIVER, Dataset, NodeFacts, Questions, survey
from tid_tune.openmmlab.configs import load_config
from tid_tune.preflight.findings import Finding
from tid_tune.report.nodes import node_table
from tid_tune.results.run_folder import RunFolder
from tid_tune.searchfile.checks.data import LOADERS, local_paths, placed_datasets
from tid_tune.searchfile.model import Resources, SearchSpec
from tid_tune.variables import resolved

log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
"""So often is looked whether a node has joined."""
LEAVE_SECONDS = 3.0
"""How long the end of a search waits for the thread that asks."""
ANSWER_SECONDS = 180.0
"""How long all nodes together may take: starting Python there, and reading the annotations."""
_SILENT = (
    f"no answer within {ANSWER_SECONDS:.0f} s; look at the node, or take it out of the cluster "
    "with `ray stop` there"
)


@dataclass(frozen=True)
class Asked:
    """What nodes were asked, and what they have answered."""

    questions: Questions
    nodes: dict[str, NodeFacts]
    """By their ids; empty where this machine alone was looked at."""
    findings: frozenset[Finding]


def check_nodes(spec: SearchSpec, run: RunFolder, root: Path, *, local: bool) -> Asked:
    """Print what the nodes have, and end the command where they do not fit together.

    Ray must be connected. A Ray that was started for this search has one node, this machine: it is
    looked at without a task. Nodes on which no trial fits are not asked.

    Raises:
        UsageError: lists the errors of all nodes.
    """
    with _questions(run, root, *_named_files(spec)) as questions:
        nodes = {} if local else _ask(questions, run, _usable_now(spec.resources))
        facts = [survey(questions, "this machine")] if local else list(nodes.values())
    console.show(node_table(facts, questions, console.out.width))
    findings = list(node_findings(facts, questions))
    for finding in findings:
        if finding.severity != "error":
            console.explain(finding.line)
    errors = [finding.text for finding in findings if finding.severity == "error"]
    if errors:
        raise UsageError(*errors)
    return Asked(questions, nodes, frozenset(findings))


class Newcomers:
    """Asks nodes that join during a search, in a thread of its own, and prints what is wrong.

    Args:
        run: the folder of the search.
        resources: of a trial; nodes on which none fits are not asked.
    """

    def __init__(self, run: RunFolder, resources: Resources) -> None:
        self._run = run
        self._resources = resources
        self._fit: set[str] | None = None
        self._over = threading.Event()

    def fits(self, node: str) -> bool:
        """Return whether a node, by its id, has what trials need, as far as nodes are asked."""
        return self._fit is None or node in self._fit

    @contextlib.contextmanager
    def asked(self, before: Asked) -> Iterator[None]:
        """Ask nodes that join inside the block what others have been asked before, on a cluster."""
        if not before.nodes:
            yield
            return
        fit = self._fit = set(before.nodes)
        thread = threading.Thread(target=self._watch, args=(before, fit), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(LEAVE_SECONDS)

    def _watch(self, asked: Asked, fit: set[str]) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                asked = self._look(asked, fit)
            except Exception:  # Ray is gone: the search says so itself
                log.debug("the nodes could not be asked", exc_info=True)

    def _look(self, asked: Asked, fit: set[str]) -> Asked:
        """Ask the nodes that have joined; return what has been asked and answered by now."""
        new = [one for one in _usable_now(self._resources) if one["NodeID"] not in asked.nodes]
        if not new:
            return asked
        known = asked.questions
        with _questions(self._run, known.root, known.datasets, known.teacher) as questions:
            answers = _ask(questions, self._run, new, self._over.is_set)
        for node, facts in answers.items():
            if not self._over.is_set():
                asked = _taken_in(asked, fit, node, facts)
        return asked


def _taken_in(asked: Asked, fit: set[str], node: str, facts: NodeFacts) -> Asked:
    """Print in what a node that has joined differs from those that fit, and add it.

    What has been printed before is not printed again.
    """
    nodes = asked.nodes | {node: facts}
    compared = [one for name, one in nodes.items() if name in fit or name == node]
    found = frozenset(node_findings(compared, asked.questions))
    new = sorted(found - asked.findings, key=lambda one: one.text)
    errors = [one.text for one in new if one.severity == "error"]
    if not errors:
        fit.add(node)
        console.explain(f"a node has joined: {facts.node}")
    for text in errors:
        console.explain(f"warning: a node has joined that the search does not count on: {text}")
    for finding in new:
        if finding.severity != "error":
            console.explain(finding.line)
    return Asked(asked.questions, nodes, asked.findings | found)


@contextlib.contextmanager
def _questions(
    run: RunFolder, root: Path, datasets: tuple[Dataset, ...], teacher: Path | None
) -> Iterator[Questions]:
    """Yield what to ask; the folder into which nodes write is there for as long."""
    token = secrets.token_hex(8)
    probe = f".nodes-{token}"
    try:
        run.files.write(f"{probe}/{DRIVER}", token)
        yield Questions(root, run.files.sent, probe, token, datasets, teacher)
    finally:
        run.files.delete_folder(probe)


def _named_files(spec: SearchSpec) -> tuple[tuple[Dataset, ...], Path | None]:
    """Return the datasets and the teacher's checkpoint that a search's config names.

    Environment variables in paths are left to the nodes. Values that the search fixes are set.
    """
    try:
        config = load_config(spec.trial, spec.fixed, imports=False, resolve=False)
    except ConfigError:  # it is reported where the config is needed
        return (), None
    found: dict[Dataset, None] = {}
    for loader in LOADERS:
        part = loader.partition("_")[0]
        for _, dataset in placed_datasets(config.get(loader), loader):
            paths = list(local_paths(dataset))
            files = [path for what, path in paths if what == "annotation file"]
            images = tuple(path for what, path in paths if what != "annotation file")
            found |= {Dataset(part, file, images): None for file in files}
    teacher = ((config.get("model") or {}).get("teacher") or {}).get("checkpoint")
    # One that the driver does not have either is not needed, or downloaded by the first trial.
    if not isinstance(teacher, str) or not Path(resolved(teacher)).is_file():
        return tuple(found), None
    return tuple(found), Path(teacher)


def _ask(
    questions: Questions,
    run: RunFolder,
    nodes: list[dict[str, Any]],
    over: Callable[[], bool] = lambda: False,
) -> dict[str, NodeFacts]:
    """Return the answers of nodes by their ids.

    Args:
        questions: what to ask.
        run: the folder of the search, where nodes write.
        nodes: whom.
        over: whether nobody wants the answers any more.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Without CPUs: a node that is busy with another search answers, too.
    task = ray.remote(num_cpus=0, max_retries=0)(survey)
    asked: dict[Any, dict[str, Any]] = {}
    for node in nodes:
        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        answer = task.options(scheduling_strategy=here).remote(questions, _name(node))
        asked[answer] = node
    late, until = list(asked), time.monotonic() + ANSWER_SECONDS
    while late and not over() and time.monotonic() < until:
        _, late = ray.wait(late, num_returns=len(late), timeout=1.0)
    for one in late:
        ray.cancel(one, force=True)
    answers = {
        node["NodeID"]: NodeFacts(_name(node), fault=_SILENT)
        if one in late
        else _checked(_answer(one, _name(node)), run, questions)
        for one, node in asked.items()
    }
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    # A node that has left meanwhile gets no trial.
    return {node: one for node, one in answers.items() if not one.fault or node in alive}


def _name(node: Mapping[str, Any]) -> str:
    """Return the address of a node; several may have the same one, on loopback."""
    return f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})"


def _usable_now(resources: Resources) -> list[dict[str, Any]]:
    import ray

    return _usable(ray.nodes(), resources)


def _usable(nodes: list[dict[str, Any]], resources: Resources) -> list[dict[str, Any]]:
    """Return the live nodes that can hold one process of a trial."""

    def holds(have: Mapping[str, float]) -> bool:
        return have.get("CPU", 0) >= resources.cpus and have.get("GPU", 0) >= resources.gpus

    found = [node for node in nodes if node["Alive"] and holds(node["Resources"])]
    return sorted(found, key=lambda node: (node["NodeManagerAddress"], node["NodeID"]))


def _answer(reference: Any, name: str) -> NodeFacts:
    """Return what a node answered, or why its task failed."""
    import ray

    try:
        found: NodeFacts = ray.get(reference)
    except Exception as error:  # whatever goes wrong in another Python, on another machine
        reason = str(getattr(error, "cause", None) or error).strip().splitlines()[-1]
        return NodeFacts(
            name,
            fault=f"cannot report: {reason}. tid-tune and its dependencies must be installed in "
            "the Python that runs Ray there",
        )
    return found


def _checked(facts: NodeFacts, run: RunFolder, questions: Questions) -> NodeFacts:
    """Return what a node reported, with whether the driver sees what it has written."""
    if facts.fault or facts.storage:
        return facts
    with contextlib.suppress(OSError):
        if run.files.read(f"{questions.probe}/{facts.node}") == questions.token:
            return facts
    return replace(facts, storage="not the driver's folder: what the node writes is not seen here")

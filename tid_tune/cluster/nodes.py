"""Asks every node of the cluster, once, what it has; prints one table; refuses what differs."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tid_tune import console
from tid_tune.errors import ConfigError, UsageError
from tid_tune.nodes.faults import node_findings
from tid_tune.nodes.survey import DRIVER, Dataset, NodeFacts, Questions, survey
from tid_tune.openmmlab.configs import load_config
from tid_tune.report.nodes import node_table
from tid_tune.results.run_folder import RunFolder
from tid_tune.searchfile.checks.data import LOADERS, local_paths, placed_datasets
from tid_tune.searchfile.model import Resources, SearchSpec
from tid_tune.variables import resolved

ANSWER_SECONDS = 180.0
"""How long all nodes together may take: starting Python there, and reading the annotations."""
_SILENT = (
    f"no answer within {ANSWER_SECONDS:.0f} s; look at the node, or take it out of the cluster "
    "with `ray stop` there"
)


def check_nodes(spec: SearchSpec, run: RunFolder, root: Path, *, local: bool) -> None:
    """Print what the nodes have, in one table, and end the command where they do not fit together.

    Ray must be connected. A Ray that was started for this search has one node, this machine: it is
    looked at without a task. Nodes on which no trial fits are not asked.

    Raises:
        UsageError: lists the errors of all nodes.
    """
    with _questions(spec, run, root) as questions:
        if local:
            nodes = [survey(questions, "this machine")]
        else:
            nodes = [_checked(one, run, questions) for one in _ask(questions, spec.resources)]
    console.show(node_table(nodes, questions))
    findings = list(node_findings(nodes, questions))
    for finding in findings:
        if finding.severity != "error":
            console.say(finding.line)
    errors = [finding.text for finding in findings if finding.severity == "error"]
    if errors:
        raise UsageError(*errors)


@contextlib.contextmanager
def _questions(spec: SearchSpec, run: RunFolder, root: Path) -> Iterator[Questions]:
    """Yield what to ask; the folder into which nodes write is there for as long."""
    token = secrets.token_hex(8)
    probe = f".nodes-{token}"
    datasets, teacher = _named_files(spec)
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


def _ask(questions: Questions, resources: Resources) -> list[NodeFacts]:
    """Return the answers of all nodes on which a trial fits, by address."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Without CPUs: a node that is busy with another search answers, too.
    task = ray.remote(num_cpus=0, max_retries=0)(survey)
    asked: dict[Any, dict[str, Any]] = {}
    for node in _usable(ray.nodes(), resources):
        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        answer = task.options(scheduling_strategy=here).remote(questions, _name(node))
        asked[answer] = node
    if not asked:  # they have just left
        return []
    _, late = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
    for one in late:
        ray.cancel(one, force=True)
    answers = [
        NodeFacts(_name(node), fault=_SILENT) if one in late else _answer(one, _name(node))
        for one, node in asked.items()
    ]
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    # A node that has left meanwhile gets no trial.
    pairs = zip(answers, asked.values(), strict=True)
    return [one for one, node in pairs if not one.fault or node["NodeID"] in alive]


def _name(node: Mapping[str, Any]) -> str:
    """Return the address of a node; several may have the same one, on loopback."""
    return f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})"


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

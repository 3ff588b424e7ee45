"""What a search leaves in its run folder, and what it prints at the end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from tid_tune import console
from tid_tune.errors import TidTuneError
from tid_tune.export.best import write_best
from tid_tune.export.origin import README, VALUES
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import ALL_DONE, RunState
from tid_tune.report.baselines import NOTHING_LEARNED, nothing_learned, unbeaten_lines, why_nothing
from tid_tune.report.confirmation import confirmation_table, verdict_text
from tid_tune.report.fitting import flowing
from tid_tune.report.leaderboard import leaderboard_table, to_text
from tid_tune.results.costs import (
    Cost,
    WorkerTime,
    overhead_text,
    run_cost,
    spent_text,
    worker_time,
)
from tid_tune.results.course import reference_levels
from tid_tune.results.ranking import Row, leaderboard, winning_row, winning_trial
from tid_tune.results.run_folder import BEST, RunFolder
from tid_tune.search.stages.verdict import Group, Verdict, judge
from tid_tune.searchfile.model import SearchSpec
from tid_tune.storage.objects import StoreError
from tid_tune.tracking.address import address_of
from tid_tune.words import counted

SHOWN = 12
ONE_SEED = "one seed; --set confirm.seeds=3 tells whether the gain is real"


@dataclass(frozen=True)
class Result:
    """The end of a search: `levels` are reference values, `best` the winner's value and gain."""

    spec: SearchSpec
    run: RunFolder
    rows: list[Row]
    best: Row | None
    levels: dict[str, float]
    cost: Cost
    used: WorkerTime
    confirmation: Table | None
    verdict: str
    """Of the confirmation; empty without one."""
    judged: Verdict | None
    failed: str
    ended: str
    """What ended the search, unless all its trials are done; empty while it goes on."""
    unwritten: str
    """Why best/ does not hold the best student; empty if it does."""

    @property
    def metrics(self) -> dict[str, float]:
        """The figures of the confirmation, for the run of the search in MLflow."""
        if self.judged is None or self.judged.best is None:
            return {}
        return _confirmed_figures(self.judged.best)

    @property
    def doubt(self) -> str:
        """What a gain that no confirmation is to test may be worth; empty where there is none."""
        if self.best is None or self.judged is not None or self.spec.confirm is not None:
            return ""
        return ONE_SEED if (self.best.gain or 0.0) > 0 else ""

    @property
    def artifacts(self) -> list[str]:
        """Files and folders of the run folder that go with the parent run."""
        run = self.run
        best = () if self.unwritten else (run.best,)
        tables = (run.leaderboard_text, run.confirmation_text)
        paths = (*tables, run.report, run.pictures, *best)
        return [str(path) for path in paths if path.exists()]

    def show(self, seconds: float, *, outcome: bool = True) -> None:
        """Print the leaderboard, the cost, and with `outcome` that, and what to open next."""
        console.show(leaderboard_table(self.rows, self.spec, width=console.out.width, top=SHOWN))
        self.show_teacher()
        spent = spent_text(self.cost, self.spec.resources)
        trials = counted(self.cost.trials, "trial")
        console.explain(f"{self.spec.name}: {trials}, {spent}; this command took {seconds:.0f} s")
        console.say(overhead_text(self.used))
        if self.ended:
            console.explain(self.ended)
        if outcome:
            self.show_outcome()

    def show_teacher(self) -> None:
        """Print the teacher's value, if a trial has reported it."""
        teacher = self.levels.get("teacher")
        if teacher is not None:
            console.say(f"teacher: {teacher:.3f}")

    def show_outcome(self) -> None:
        """Print the best trial or the confirmation, and what to open next."""
        if self.best is None:
            self._show_report()
            return
        if self.confirmation is not None:
            # Not the value that made it the best of many: that one is too good to be true.
            console.show(self.confirmation)
            first, *rest = self.verdict.split("; ")
            for line in flowing([f"best: {first}", *rest], console.out.width, "; "):
                console.say(line, style="bold")
        else:
            objective, value = next(iter(self.best.values.items()))
            gain = "" if self.best.gain is None else f", {self.best.gain:+.3f} over no distillation"
            console.say(f"best: {self.best.trial} with {objective} {value:.3f}{gain}", style="bold")
            for line in unbeaten_lines(self.rows, self.best, self.spec):
                console.say(f"  {line}")
            if self.doubt:
                console.say(f"  {self.doubt}")
        if nothing_learned(self.rows, self.spec):
            console.say(f"  {NOTHING_LEARNED.format(objective=self.spec.first_objective)}")
        self._show_student()
        if self.spec.tracking.enabled:
            address = address_of(self.spec, Path.cwd())
            where = "" if address.is_default else f"   (MLflow at {address.shown})"
            console.say(f"  curves       tid-tune ui {self.run.pasted()}{where}")
        self._show_report()

    def _show_report(self) -> None:
        """Print where the report is, if it was written."""
        report = self.run.report.name
        if self.run.files.size(report) is not None:
            console.say(f"  report       {self.run.shown(report)}: open it in a browser")

    def _show_student(self) -> None:
        """Print where the best student is, and what else can be had of it."""
        run, best = self.run.pasted(), self.run.shown(BEST)
        if self.unwritten:
            console.say(f"  warning: the student is not in {best}: {self.unwritten}")
            return
        there = self.run.files.sizes(BEST)
        if not there:
            console.say(f"  student      tid-tune export {run} --out DIR")
            return
        if f"{BEST}/{README}" not in there:  # what a trainable of the user's own has saved
            weights, config = (
                self.run.shown(f"{BEST}/{name}") for name in ("checkpoint.pth", "config.py")
            )
            console.say(f"  student      {weights} with {config}")
            return
        console.say(f"  student      {best}: plain mmdet config and weights; see its {README}")
        values = self.run.shown(f"{BEST}/{VALUES}")
        console.say(f"  values       {values}: to paste or name in `start_from`")
        console.say(f"  ONNX         tid-tune export {run} --out DIR --onnx")


def write_result(state: RunState, spec: SearchSpec, run: RunFolder) -> Result:
    """Write the tables, the report and best/ into the run folder, as far as that is possible."""
    winner = winning_trial(state, spec)
    unwritten = "" if winner is None else _keep_best(state, spec, run, winner)
    result = result_of(state, spec, run, unwritten)
    try:
        _write_tables(result, state)
    except (OSError, StoreError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        console.explain(f"warning: {run.shown()} lacks tables of the result ({reason})")
    _write_report(state, spec, run)
    return result


def _write_report(state: RunState, spec: SearchSpec, run: RunFolder) -> None:
    """Write the report; whatever goes wrong must not cost the result of the search."""
    if not state.trials:
        return
    from tid_tune.report.page.assemble import write_report
    from tid_tune.report.page.study import Study

    if state.closed is not None:  # who has pressed Ctrl-C waits for the end of the command
        _evaluate_models(spec, run)
    try:
        write_report(Study.ended(run, spec, state))
    except Exception as error:
        kind = "" if isinstance(error, TidTuneError) else f"{type(error).__name__}: "
        console.explain(
            f"warning: the report {run.shown(run.report.name)} was not written ({kind}{error}). "
            f"`tid-tune report {run.pasted()}` tries again"
        )


def _evaluate_models(spec: SearchSpec, run: RunFolder) -> None:
    """Evaluate baseline, best and teacher for the report, if that is cheap; it is never fatal."""
    if not spec.report.models:
        return
    from tid_tune.report.views.run_models import (
        AT_THE_END,
        TooSlow,
        can_be_evaluated,
        evaluate_run,
    )

    try:
        read = run.read()
        if not can_be_evaluated(read):
            return
        console.step("comparing baseline, best and teacher")
        evaluate_run(read, images=spec.report.models, seconds=AT_THE_END)
    except TooSlow as reason:
        console.explain(
            f"the report has no pictures of the models: {reason}. `tid-tune report {run.pasted()}` "
            "adds them"
        )
    except Exception as error:
        kind = "" if isinstance(error, TidTuneError) else f"{type(error).__name__}: "
        console.explain(f"warning: the report has no pictures of the models ({kind}{error})")


def _write_tables(result: Result, state: RunState) -> None:
    run = result.run
    table = leaderboard_table(result.rows, result.spec, width=None)
    doubt = f"\nbest: {result.best.trial}, {result.doubt}\n" if result.best and result.doubt else ""
    run.leaderboard_text.write_text(to_text(table) + doubt, encoding="utf-8")
    if result.confirmation is not None:
        text = f"{to_text(result.confirmation)}\n{result.verdict}\n"
        run.confirmation_text.write_text(text, encoding="utf-8")
    for path in (run.leaderboard_text, run.confirmation_text):
        run.files.keep(path.name)


def result_of(state: RunState, spec: SearchSpec, run: RunFolder, unwritten: str = "") -> Result:
    """Return the result of a search as far as it has come; nothing is written."""
    rows = leaderboard(state, spec)
    best = winning_row(rows, state, spec)
    return Result(
        spec=spec,
        run=run,
        rows=rows,
        best=best,
        levels=reference_levels(state, spec),
        cost=run_cost(state),
        used=worker_time(state),
        confirmation=confirmation_table(state, spec),
        verdict=verdict_text(state, spec),
        judged=judge(state, spec),
        failed="" if best is not None else why_nothing(rows),
        ended="" if state.closed in (None, ALL_DONE) else f"ended: {state.closed}",
        unwritten=unwritten,
    )


def _confirmed_figures(group: Group) -> dict[str, float]:
    """Return the mean over the seeds and the gain over each reference, with intervals."""
    known = {"confirmed": group.estimate}
    for comparison in group.comparisons:
        # MLflow takes no brackets in a metric's name.
        reference = re.sub(r"[^\w .-]", "", comparison.baseline)
        known[f"confirmed/gain_over/{reference}"] = comparison.difference
    figures: dict[str, float] = {}
    for name, value in known.items():
        if value is None:
            continue
        parts = {"mean": value.mean, "low": value.low, "high": value.high}
        figures |= {f"{name}/{part}": x for part, x in parts.items() if x is not None}
    return figures


def _keep_best(state: RunState, spec: SearchSpec, run: RunFolder, winner: Trial) -> str:
    """Write best/; return why that failed, or nothing.

    Whatever goes wrong here, in a config that is a program, in torch, or for want of space, must
    not cost the result of the search.
    """
    try:
        write_best(state, spec, run, winner)
    except Exception as error:
        kind = "" if isinstance(error, TidTuneError) else f"{type(error).__name__}: "
        last = winner.last
        name = None if last is None else last.checkpoint
        there = name is not None and run.files.size(name) is not None
        kept = f" The weights are kept in {run.shown(name)}." if name and there else ""
        return f"{kind}{error}{kept} The same command tries again."
    return ""

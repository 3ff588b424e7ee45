"""Results: rows and figures computed from the state of a search. No terminal, no plots.

- `ranking`: the leaderboard, the best trial, the Pareto front; `pareto`: domination and crowding.
- `costs`: epochs, seconds and images spent, by trial, stage and outcome.
- `run_folder`: the folder of a run with its trials, checkpoints and exports.
- other modules: one table or export each (a trial's course, CSV, an Optuna study).

Scripts get these through `tid_tune.RunFolder`; the search, the reports and the commands import the
modules.
"""

"""The search: what to run next, and what a report means. Without Ray, torch or a clock of its own.

- `engine`: the state machine that an executor drives; `director`: the stages in their order;
  `packs`: which trials can be trained side by side; `searching`, `stream`: the search trials, and
  those of one method; `suggestions`: new trials, none of them twice.
- `journal`: how decisions become events; `endings`: how runs of trials end.
- `samplers/`, `schedulers/`: parts that search spaces name and other packages add to.
- `stages/`: baseline, confirmation, budget.
- `resume`, `transfer`: earlier runs; `retention`: which checkpoints are kept.
- `simulate`: the engine on functions instead of trainings.

Scripts use `tid_tune.Search`, `tid_tune.simulate` and the `register_` functions; executors and
reports import from `engine`, `decision`, `retention` and `stages/`.
"""

"""The stages of a search besides proposing points: baseline, confirmation, budget, the end.

- `plan`: how many trainings each stage has, the baseline, and the reruns of the confirmation.
- `verdict`: whether the best trials are better than the baseline; `statistics`: its intervals.
- `budget`: when a stage may not go on. `failures`: when failing trials end the search.

The engine and the reports import from these modules; scripts need none of them.
"""

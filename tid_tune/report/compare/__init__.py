"""Several searches side by side: what differs between them, their figures, paired differences.

- `sources`: the data and configs of a run, as far as they can be known now.
- `differences`: what differs, and whether values can be ranked in spite of it.
- `figures`: the figures of each run: best value, cost, confirmation, cost to reach a level.
- `pairs`: differences between runs over the seeds that they share.
- `comparison`: all of it; `tables` and `page` show it.
"""

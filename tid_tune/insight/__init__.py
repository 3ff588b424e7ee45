"""What a search has learned, computed from its state and spec: no plots, no training.

- `arms`: the searched trials of each method; `lengths`: their values at equal lengths.
- `correlation`: whether short trainings rank trials as long ones do; `topk`: what training all for
  a while and then the best to the end would have cost.
- `importance`: which parameters matter, by PED-ANOVA; `surrogate`: a Gaussian process of the
  results, with the shares of the parameters, their interactions, and the path from the defaults to
  the best (`ablation`).
- `measuring`: the search that trains the steps of this path.
- `savings`: what early stopping and packs saved, and what distilling costs beside training alone.
- `sentences`: the three sentences that open a report.

Nothing here is random: what is drawn is drawn with a fixed seed.
"""

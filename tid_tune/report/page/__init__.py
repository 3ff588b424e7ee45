"""The report page: one HTML file that explains a search, without any request to the network.

How to add a section:

1. Write `sections/NAME.py` with `def section(study: Study) -> Section | None`. Return None where
   there is nothing to show: the page has no empty panel.
2. Take what you show from `study` (run folder, spec, state, and what several sections need), and
   compute it in `tid_tune.results`: a section only selects, words and draws.
3. Build blocks (`blocks.py`): `Chart` (of `tid_tune.report.charts.model`), `TableBlock`, `Tiles`,
   `Text`, `Code`, `ImageBlock`, `Details`. All texts are plain: the page escapes them.
4. Name it in `sections.SECTIONS`, where it is to stand.
5. Say in the caption what a point is, in which unit, and what was left out (`thinned`).
6. Look at it: wide, 400 px wide, dark, and as a PDF.
"""

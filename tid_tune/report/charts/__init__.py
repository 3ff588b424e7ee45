"""Charts: what is drawn, apart from how.

- `model`: a chart as plain data; `palette`: the colours, symbols and dashes of its roles.
- `to_plotly`: for the report page; `to_png`: a picture, by matplotlib. Both have one look.
"""

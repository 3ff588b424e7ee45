"""How Sphinx builds the documentation site. `make docs` runs it; every warning is an error.

The site needs no network, neither to build nor to read: no remote fonts, scripts or pictures.
"""

from __future__ import annotations

from tid_tune import __version__

project = "tid-tune"
author = "the tid-tune authors"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["examples"]

# Pages are Markdown; every heading is a link target, and a link that leads nowhere is a warning.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

# Docstrings are in Google's style, with `names` in single backticks.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = f"tid-tune {__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00695c", "color-brand-content": "#00796b"},
    "dark_css_variables": {"color-brand-primary": "#4db6ac", "color-brand-content": "#80cbc4"},
}
pygments_style = "friendly"
pygments_dark_style = "monokai"

# Copy a command without the comment that explains it, and no prompt.
copybutton_exclude = ".linenos, .gp, .go"

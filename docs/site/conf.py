"""How Sphinx builds the documentation's site from README.md and docs/.

docs/decisions/0091-a-site-from-the-same-files.md says why. `make site` calls it through tools/site.py. Sphinx itself is
in an environment of its own (requirements/docs.txt).
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OURS = HERE.parent.parent / "authz/static/gatehouse"
sys.path.insert(0, str(HERE))

project = "Gatehouse"
copyright = "the authors of Gatehouse"
# `version` is given on the command line: it is the one of the tree that is built, and that may be an older one.

extensions = ["myst_parser", "sphinx_copybutton", "pages"]

# The repository is the source, so that a link between README.md, docs/ and CHANGELOG.md is the same link everywhere.
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/**/*.md"]
exclude_patterns = [".venv*", "var", "authz", "cimd", "xaa", "tests", "demo", "deploy", "templates", "tools", "mutants"]

myst_heading_anchors = 4
myst_links_external_new_tab = False
nitpicky = True
suppress_warnings = [
    "misc.highlighting_failure",  # "…" in an example's JSON is meant
]

html_theme = "furo"
html_title = "Gatehouse"
html_copy_source = False
html_use_index = False
html_search_scorer = str(HERE / "scorer.js")
html_show_sphinx = False
html_favicon = str(OURS / "favicon.svg")
html_static_path = ["static", str(OURS / "fonts")]
html_css_files = ["site.css"]
html_js_files = [("versions.js", {"defer": "defer"}), ("reading.js", {"defer": "defer"})]
templates_path = ["templates"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/versions.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/files.html",
        "sidebar/scroll-end.html",
    ]
}
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0d594c",
        "color-brand-content": "#0d594c",
        "color-brand-visited": "#0d594c",
        "color-background-primary": "#fffefb",
        "color-background-secondary": "#f4f1ea",
        "color-sidebar-caption-text": "#545b5e",
        "font-stack": 'Inter, system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif',
        "font-stack--headings": 'Newsreader, "Iowan Old Style", Palatino, "Liberation Serif", Georgia, serif',
    },
    "dark_css_variables": {
        "color-brand-primary": "#85d3c0",
        "color-brand-content": "#85d3c0",
        "color-brand-visited": "#85d3c0",
        "color-background-primary": "#121719",
        "color-background-secondary": "#1b2225",
        "color-sidebar-caption-text": "#a9b2b4",
    },
    "footer_icons": [],
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
copybutton_exclude = ".linenos, .gp, .go"

"""What the site makes of pages that read well as plain Markdown, too: a Sphinx extension.

- The links of an index page are the table of contents (contents.py).
- A block of code whose first line names a file shows that name above it.
- The captions of the theme's navigation are headings of a level, which screen readers need.
- What the code knows about commands and the API stands below what people wrote about them.
- Diagrams are put into the page, where they take the page's colours, light or dark.
"""

import json
import re
from pathlib import Path
from typing import Any

from contents import INDEXES, parts
from docutils import nodes
from sphinx.application import Sphinx

FENCE = re.compile(r"^```(\w+) ([\w./\-]+)$", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("appendix", "", "env", str)
    app.connect("source-read", _read)
    app.connect("doctree-resolved", _inline_diagrams)
    app.connect("html-page-context", _level_captions, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = FENCE.sub(r"```{code-block} \1\n:caption: \2\n", source[0])
    if docname in INDEXES:
        source[0] += "".join(toctree(caption, pages) for caption, pages in parts(source[0]))
    source[0] = _with_appendix(app, docname, source[0])


def _with_appendix(app: Sphinx, docname: str, text: str) -> str:
    """The page with what tools/site_reference.py adds to it. The outline beside it stops at the groups."""
    if not app.config.appendix:
        return text
    added = json.loads(Path(app.config.appendix).read_text())
    if docname not in added:
        return text
    app.env.note_dependency(app.config.appendix)
    return f"---\ntocdepth: 3\n---\n{text}{added[docname]}"


def toctree(caption: str, pages: list[str]) -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["\n\n```{toctree}", *options, "", *pages, "```\n"])


def _inline_diagrams(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for image in list(doctree.findall(nodes.image)):
        if image["uri"].endswith(".svg"):
            drawing = (Path(app.srcdir) / image["uri"]).read_text()
            image.replace_self(nodes.raw("", f'<div class="diagram-frame" tabindex="0">{drawing}</div>', format="html"))


def _level_captions(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: object) -> None:
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')

"""The table of contents: the links of the index pages, in their order (pure). tests/test_docs.py asks it, too."""

import re
from collections.abc import Iterator

INDEXES = ("README", "docs/how-to/README", "docs/concepts/README", "docs/decisions/README")
PARTS = "## Documentation"  # of README.md: its sub-headings are the parts of the site
PAGE = re.compile(r"\]\((\w[\w./\-]*)\.md\)")  # beside the index or below it, so not one that begins with ../


def parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """(caption, pages) of an index page; each page once, relative to it, without its ending. An index without parts has
    one, without a caption.
    """
    listed: set[str] = set()
    for caption, body in _sections(text):
        pages = [page for page in dict.fromkeys(PAGE.findall(body)) if page not in listed]
        listed.update(pages)
        if pages:
            yield caption, pages


def _sections(text: str) -> Iterator[tuple[str, str]]:
    _, found, documentation = text.partition(f"\n{PARTS}\n")
    if not found:
        yield "", text
    for section in re.split(r"^### ", re.split(r"^## ", documentation, flags=re.MULTILINE)[0], flags=re.MULTILINE)[1:]:
        caption, _, body = section.partition("\n")
        yield caption, body

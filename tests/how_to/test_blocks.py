"""Of each block of a how-to it is known what becomes of it, and what a how-to names exists. Nothing here runs one."""

import re
from pathlib import Path

import pytest

from authz.protocol.errors import Reason
from tests.how_to.page import PAGES, Block, Kind, PageError, blocks, is_shown

pytestmark = pytest.mark.any_database

# Blocks of all pages together that can't be run here.
MOST_NOT_RUN = 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_of_each_block_it_is_known_what_becomes_of_it(page: Path) -> None:
    assert any(block.kind is not Kind.NOT_RUN for block in blocks(page.read_text()))


def test_few_blocks_are_not_run() -> None:
    left_out = [block for page in PAGES for block in blocks(page.read_text()) if block.kind is Kind.NOT_RUN]
    assert len(left_out) <= MOST_NOT_RUN, [block.reason for block in left_out]


def test_each_page_is_in_the_list() -> None:
    listed = (PAGES[0].parent / "README.md").read_text()
    assert [page.name for page in PAGES if f"({page.name})" not in listed] == []


def test_each_refusal_that_is_named_exists() -> None:
    """A reader looks for it in the audit."""
    named = set(re.findall(r"`(client_[a-z_]+)`", (PAGES[0].parent / "errors.md").read_text()))
    assert named
    assert named <= set(Reason)


FILES = {"behind-nginx": "nginx.conf", "behind-caddy": "Caddyfile", "behind-traefik": "traefik.yaml"}


@pytest.mark.parametrize(("page", "file"), FILES.items(), ids=FILES)
def test_the_proxys_file_is_the_one_to_deploy_with(page: str, file: str) -> None:
    """But for the second node and the comments."""
    (written,) = [
        block.text
        for block in blocks((PAGES[0].parent / f"{page}.md").read_text())
        if block.file.startswith("/etc/") and "127.0.0.1:8000" in block.text
    ]
    deployed = (PAGES[0].parents[2] / "deploy" / file).read_text()
    for ours, theirs in PLACEHOLDERS.items():
        deployed = deployed.replace(ours, theirs)
    assert _instructions(written) == [line for line in _instructions(deployed) if not SECOND_NODE.search(line)]


PLACEHOLDERS = {
    "{$PUBLIC_HOST:localhost}": "auth.example.com",
    "{$NODES:127.0.0.1:8000}": "127.0.0.1:8000",
    "http://10.0.0.11:8000": "http://127.0.0.1:8000",
}
SECOND_NODE = re.compile(r"127\.0\.0\.1:8001|10\.0\.0\.12")


def _instructions(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


class TestAPage:
    def test_its_blocks(self) -> None:
        text = (
            "```yaml notes.yaml\na: 1\n```\n\n```sh\nls\n```\n\n```text\nnotes.yaml\n```\n\n<!-- not run: no app -->\n"
            "```sh\nclaude\n```\n\n<!-- keeps running: https://x.example/mcp -->\n```sh\nserve\n```\n"
        )
        assert list(blocks(text)) == [
            Block(Kind.FILE, "a: 1\n", file="notes.yaml"),
            Block(Kind.COMMAND, "ls\n"),
            Block(Kind.SHOWN, "notes.yaml\n"),
            Block(Kind.NOT_RUN, "claude\n", reason="no app"),
            Block(Kind.COMMAND, "serve\n", serves="https://x.example/mcp"),
        ]

    @pytest.mark.parametrize(
        "text",
        ["```python\nx = 1\n```", "<!-- not run: -->\n```sh\nls\n```", "<!-- soon -->\n```sh\nls\n```", "```\n```"],
    )
    def test_a_block_that_is_silently_left_out_is_an_error(self, text: str) -> None:
        with pytest.raises(PageError):
            list(blocks(text))

    @pytest.mark.parametrize(
        ("expected", "printed", "is_so"),
        [
            ("HTTP 401", "HTTP 401\n", True),
            ("token …\nfor …", "a token abc\nmore\nfor you", True),
            ("for …\ntoken …", "token abc\nfor you", False),
            ("HTTP 200", "HTTP 401", False),
        ],
    )
    def test_what_it_shows(self, expected: str, printed: str, is_so: bool) -> None:
        assert is_shown(expected, printed) is is_so

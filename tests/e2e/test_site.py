"""The documentation's site (`make site`), read by a real browser as a web server would serve it."""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from authz import __version__
from authz.command_line import catalog
from tests.e2e.conftest import DESK, PHONE
from tools import site as builder

LOADED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src", "use": "href"}
FIRST, OLDER = f"/{__version__}/index.html", "0.9.0"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Links(HTMLParser):
    """What a page loads, what it leads to, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded, self.targets, self.anchors = set[str](), set[str](), {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "a" and "href" in found:
            self.targets.add(found["href"])
        if LOADED.get(tag) in found:
            self.loaded.add(found[LOADED[tag]])


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of this version. What CI or `make site` built before is only brought up to date."""
    return builder.main([]) / __version__


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, Links]:
    return {page: Links(page.read_text()) for page in built.rglob("*.html")}


@pytest.fixture(scope="module")
def origin(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site with an older version beside it, which lacks most pages."""
    root = tmp_path_factory.mktemp("site")
    (root / __version__).symlink_to(built)
    (root / OLDER).mkdir()
    shutil.copy(built / "index.html", root / OLDER)
    (root / "versions.json").write_text(json.dumps([__version__, OLDER]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(chromium: Browser, origin: str) -> Iterator[Page]:
    """A page that may ask this origin alone."""
    context = chromium.new_context(viewport=DESK)  # type: ignore[arg-type]  # it is a width and a height
    context.set_default_timeout(45_000)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(origin + FIRST)
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []


def test_every_link_leads_to_a_page_and_to_a_place_in_it(pages: dict[Path, Links], built: Path) -> None:
    for page, links in pages.items():
        for target in links.targets | links.loaded:
            path, anchor = urldefrag(target)
            if not urlsplit(path).scheme:
                linked = (page.parent / unquote(urlsplit(path).path)).resolve() if path else page
                assert linked.is_relative_to(built.resolve()), f"{page}: {target}"
                assert linked.exists(), f"{page}: {target}"
                assert linked.suffix != ".html" or unquote(anchor) in pages[linked].anchors, f"{page}: {target}"


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Links], built: Path) -> None:
    assert [url for links in pages.values() for url in links.loaded if urlsplit(url).netloc] == []
    for sheet in built.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet


def test_the_schemas_are_published(built: Path) -> None:
    schema = json.loads((built / "configuration.schema.json").read_text())
    assert {"clients", "rules", "trusted_issuers"} <= set(schema["properties"])
    assert json.loads((built / "openapi.json").read_text())["openapi"].startswith("3.1")


def test_every_command_and_operation_is_in_the_reference(pages: dict[Path, Links], built: Path) -> None:
    assert {f"gatehouse-{name.replace('_', '-')}" for name in catalog.entries()} <= pages[
        built / "docs/commands.html"
    ].anchors
    text = (built / "docs/api.html").read_text()
    paths = json.loads((built / "openapi.json").read_text())["paths"]
    assert [path for path in paths if f">{path}</span>" not in text] == []


def test_search_finds_what_a_reader_types(page: Page) -> None:
    page.get_by_role("textbox", name="Search").fill("invalid_target")
    page.keyboard.press("Enter")
    expect(page.locator("ul.search li").first).to_be_visible()
    page.locator("ul.search").get_by_role("link", name="Errors, by symptom").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Errors, by symptom")


def test_another_version_can_be_chosen(page: Page, origin: str) -> None:
    page.goto(f"{origin}/{__version__}/docs/settings.html")
    chosen = page.get_by_label("Version")
    expect(chosen).to_have_value(__version__)
    chosen.select_option(OLDER)  # which has no such page
    page.wait_for_url(f"**/{OLDER}/index.html")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize(
    "path", ["index.html", "docs/concepts/README.html", "docs/configuration.html", "docs/audit.html"]
)
def test_no_page_is_wider_than_its_window(page: Page, origin: str, path: str, viewport: dict[str, int]) -> None:
    page.set_viewport_size(viewport)  # type: ignore[arg-type]  # it is a width and a height
    page.goto(f"{origin}/{__version__}/{path}")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("path", ["index.html", "docs/concepts/decisions.html", "docs/how-to/protect-fastmcp.html"])
def test_axe_finds_nothing_in_light_or_dark(page: Page, origin: str, path: str, axe: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # it is one of two
        page.goto(f"{origin}/{__version__}/{path}")
        page.evaluate(axe)
        found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
        assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_a_diagram_follows_the_readers_choice_of_light_or_dark(page: Page, origin: str) -> None:
    page.goto(f"{origin}/{__version__}/docs/concepts/README.html")
    ground = "getComputedStyle(document.querySelector('svg.diagram > rect')).fill"
    seen = set()
    for theme in ("light", "dark"):
        page.evaluate("theme => document.body.dataset.theme = theme", theme)
        seen.add(page.evaluate(ground))
    assert len(seen) == 2

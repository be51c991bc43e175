"""Builds the documentation's site: `python -m tools.site [TAG …]`, or `make site`.

The tree as it is becomes `var/site/VERSION/`; each tag that is named becomes a version beside it, with today's theme. A
warning fails the build of this tree; an older one cannot be mended, so its warnings are printed. The JSON Schema of the
configuration file and the API's OpenAPI document are published with the pages.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from authz import __version__
from demo import environments

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "docs/site"
STRICT = ("--fail-on-warning", "--keep-going")
REDIRECT = (
    '<!doctype html><meta charset="utf-8"><title>Gatehouse</title><meta http-equiv="refresh" content="0; url={}/">\n'
)
SCHEMAS = """
import django; django.setup()
import json, sys
from authz.api.configuration_schema import schema
from authz.api.framework.schema import document
json.dump({"configuration.schema.json": schema(), "openapi.json": document()}, sys.stdout)
"""


def main(tags: list[str], site: Path = ROOT / "var/site") -> Path:
    """Builds all, and returns the folder: `VERSION/`, `versions.json` (newest first), an index that leads on."""
    older = [build_tag(tag, site) for tag in tags]
    build(ROOT, site / __version__, strict=True)
    for name, content in schemas().items():
        (site / __version__ / name).write_text(json.dumps(content, indent=1))
    (site / "versions.json").write_text(json.dumps([__version__, *older]))
    (site / "index.html").write_text(REDIRECT.format(__version__))
    return site


def build(source: Path, target: Path, *, strict: bool) -> None:
    sphinx = (str(environments.python("docs")), "-m", "sphinx", "--builder", "html", "--quiet", "--jobs", "auto")
    version = ("--define", f"version={target.name}", "--define", f"release={target.name}")
    kept = ("--conf-dir", str(CONFIGURATION), "--doctree-dir", f"{target.parent}/.doctrees/{target.name}")
    subprocess.run([*sphinx, *version, *kept, *(STRICT if strict else ()), str(source), str(target)], check=True)
    # README.md is the first page, and a web server looks for index.html.
    (target / "index.html").write_bytes((target / "README.html").read_bytes())


def build_tag(tag: str, site: Path) -> str:
    """Builds the tree of a tag, without touching this one, and returns its version: `v1.0.0` is 1.0.0."""
    archive = subprocess.run(["git", "archive", tag], cwd=ROOT, check=True, capture_output=True).stdout
    version = tag.removeprefix("v")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(archive)) as tree:
            tree.extractall(folder, filter="data")
        build(Path(folder), site / version, strict=False)
    return version


def schemas() -> dict[str, object]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "authz.settings", "DATABASE_URL": "sqlite://:memory:"}
    environment.setdefault("GATEHOUSE_SECRET_KEY", "only-to-print-schemas-0123456789-0123456789-01234567")
    printed = subprocess.run(
        [sys.executable, "-c", SCHEMAS], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    found: dict[str, object] = json.loads(printed.stdout)
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1:])}\n")

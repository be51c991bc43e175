"""Builds the documentation's site: `python -m tools.site [TAG …]`, or `make site`.

The tree as it is becomes `var/site/VERSION/`; each tag that is named becomes a version beside it, with today's theme. A
warning fails the build of this tree; an older one cannot be mended, so its warnings are printed. What the code knows
(schemas, the operations of the API, the help of the commands) is added by tools/site_reference.py.
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
SECRET = "only-to-print-a-reference-0123456789-0123456789-0123456789"
STRICT = ("--fail-on-warning", "--keep-going")
REDIRECT = (
    '<!doctype html><meta charset="utf-8"><title>Gatehouse</title><meta http-equiv="refresh" content="0; url={}/">\n'
)


def main(tags: list[str], site: Path = ROOT / "var/site") -> Path:
    """Builds all, and returns the folder: `VERSION/`, `versions.json` (newest first), an index that leads on."""
    site.mkdir(parents=True, exist_ok=True)
    older = [build_tag(tag, site) for tag in tags]
    reference = generated()
    appendix = site / ".appendix.json"
    appendix.write_text(json.dumps(reference["appendix"]))
    build(ROOT, site / __version__, *STRICT, "--define", f"appendix={appendix}")
    for name, content in reference["files"].items():
        (site / __version__ / name).write_text(json.dumps(content, indent=1))
    (site / "versions.json").write_text(json.dumps([__version__, *older]))
    (site / "index.html").write_text(REDIRECT.format(__version__))
    return site


def build(source: Path, target: Path, *options: str) -> None:
    sphinx = (
        str(environments.python("docs")),
        "-m",
        "sphinx",
        "--builder",
        "html",
        "--quiet",
        "--jobs",
        "auto",
        "--write-all",
    )
    version = ("--define", f"version={target.name}", "--define", f"release={target.name}")
    kept = ("--conf-dir", str(CONFIGURATION), "--doctree-dir", f"{target.parent}/.doctrees/{target.name}")
    subprocess.run([*sphinx, *version, *kept, *options, str(source), str(target)], check=True)
    # README.md is the first page, and a web server looks for index.html.
    (target / "index.html").write_bytes((target / "README.html").read_bytes())


def build_tag(tag: str, site: Path) -> str:
    """Builds the tree of a tag, without touching this one, and returns its version: `v1.0.0` is 1.0.0."""
    archive = subprocess.run(["git", "archive", tag], cwd=ROOT, check=True, capture_output=True).stdout
    version = tag.removeprefix("v")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(archive)) as tree:
            tree.extractall(folder, filter="data")
        build(Path(folder), site / version)
    return version


def generated() -> dict[str, dict[str, object]]:
    """What tools/site_reference.py prints."""
    environment = {"GATEHOUSE_SECRET_KEY": SECRET, **os.environ}
    with tempfile.TemporaryDirectory() as nowhere:
        printed = subprocess.run(
            [sys.executable, "-m", "tools.site_reference"],
            cwd=ROOT,
            env=environment | {"GATEHOUSE_HOME": nowhere},
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, dict[str, object]] = json.loads(printed.stdout)
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{main(sys.argv[1:])}\n")

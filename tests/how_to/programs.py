"""The programs that a reader has on the PATH.

`pip` and `npm` install nothing: they say whether the locked environments have what the page asks for.
"""

import json
import subprocess
import sys
from pathlib import Path

from demo import environments
from demo.gatehouse import Gatehouse
from demo.processes import ROOT
from tests.how_to import operating
from tests.how_to.files import program
from tests.how_to.others import Others
from tests.support.oidc_provider import oidc_provider

_PIP = """
import sys
from importlib.metadata import version
from packaging.requirements import Requirement
for text in sys.argv[1:]:
    if text != "install" and not text.startswith("-"):
        wanted = Requirement(text)
        assert version(wanted.name) in wanted.specifier, f"{text}: the tests have {version(wanted.name)}"
"""
_NPM = """
import json, pathlib, sys
for text in sys.argv[1:]:
    if text not in {"install", "i"} and not text.startswith("-"):
        name, at, wanted = text.rpartition("@") if text.rfind("@") > 0 else (text, "", "")
        found = json.loads(pathlib.Path("node_modules", name, "package.json").read_text())["version"]
        assert not wanted or found == wanted or found.startswith(wanted + "."), f"{text}: the tests have {found}"
"""


def write(folder: Path, gatehouse: Gatehouse, others: Others, partner: Gatehouse | None) -> None:
    """Into `folder`/bin, and its node_modules. `partner` is the server that `ssh` leads to."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    python = environments.python("mcp2")
    svid = json.dumps([{"svids": [{"svid": others.svid(gatehouse.issuer)}]}])
    said = {
        "python": f'exec "{python}" "$@"',
        "python3": f'exec "{python}" "$@"',
        "node": f'exec "{environments.node()}" "$@"',
        "pip": f'exec "{python}" - "$@" <<\'EOF\'{_PIP}EOF',
        "npm": f'exec "{sys.executable}" - "$@" <<\'EOF\'{_NPM}EOF',
        "spire-agent": f"printf '%s' '{svid}'",
        "gatehouse": operating.gatehouse(gatehouse.env),
    }
    for name, text in said.items():
        program(programs / name, text)
    if partner is not None:
        (folder / "partner").mkdir()
        program(folder / "partner/gatehouse", operating.gatehouse(partner.env))
        program(programs / "ssh", f'shift\nPATH="{folder}/partner:$PATH" exec "$@"')
    # What pages have the reader copy from the repository.
    for example in ROOT.glob("examples/*.py"):
        (folder / example.name).write_text(example.read_text())
    _link_node_modules(folder / "node_modules")


def _link_node_modules(folder: Path) -> None:
    folder.mkdir()
    locked = environments.node().parents[2]
    links = [f"{locked}/{path.name}" for path in locked.iterdir() if not path.name.startswith(".")]
    subprocess.run(["ln", "-s", *links, f"{oidc_provider()}/node_modules/oidc-provider", str(folder)], check=True)

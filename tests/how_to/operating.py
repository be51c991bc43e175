"""What an operator has on the PATH: servers that are left, proxies, a cluster's client.

nginx and Caddy are the real ones, with the addresses and certificates of the test.
"""

import stat
from collections.abc import Mapping
from pathlib import Path

from demo.processes import ROOT

_REALM = ROOT / "tests/conversion/keycloak-realm.json"
# A project with a plain django-oauth-toolkit: two clients, their owner and a token.
_TOOLKIT = f"""
import os, subprocess, sys
env = {{**os.environ, "DJANGO_SETTINGS_MODULE": "tests.bench.toolkit.settings", "PEER_FOLDER": os.getcwd()}}
env["PYTHONPATH"] = "{ROOT}"
python = ["{ROOT}/.venv/bin/python", "-m"]
subprocess.run([*python, "tests.bench.toolkit.prepare", "1"], env=env, check=True)
sys.exit(subprocess.run([*python, "django", *sys.argv[1:]], env=env).returncode)
"""


def write(folder: Path, real: Mapping[str, str]) -> None:
    """Into `folder` and `folder`/bin. `real` says what the addresses of the pages are here."""
    realm = folder / "bin/realm.json"
    realm.write_text(here(_REALM.read_text(), real))
    program(folder / "bin/kc.sh", _keycloak(realm))
    (folder / "manage.py").write_text(_TOOLKIT)


def here(text: str, real: Mapping[str, str]) -> str:
    for name, address in real.items():
        text = text.replace(name, address)
    return text


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _keycloak(realm: Path) -> str:
    """`kc.sh export --realm REALM --file FILE`"""
    return f'[ "$1 $2 $3 $4" = "export --realm acme --file" ] || exit 2\ncp "{realm}" "$5"'

"""What an operator has: servers that are left, proxies, a cluster's client."""

import secrets
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from demo.processes import ROOT
from tests.how_to import proxies
from tests.how_to.files import here, program
from tests.support import databases

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
# The real Envoy, with the addresses of the page (tests/support/gateways.py).
_ENVOY = """
sed "s|https://notes.example.com|{server}|" "$2" > "{folder}/envoy.here.yaml"
exec "{python}" -m tests.support.gateways envoy "{folder}/envoy.here.yaml" {listens} {behind} {gatehouse}
"""


def _gateway(real: Mapping[str, str]) -> dict[str, str]:
    named = {"server": "https://notes.example.com", "listens": "9300", "behind": "9400"}
    return {
        **{name: real[place] for name, place in named.items()},
        "gatehouse": urlsplit(real["https://auth.example.com"]).netloc,
    }


def real(folder: Path, page: str) -> dict[str, str]:
    """What the addresses of that page are here, where they are not the same as on other pages."""
    database = {"db.example.com": "127.0.0.1", "gatehouse_drill": f"gatehouse_drill_{secrets.token_hex(4)}"}
    return database | (proxies.real(folder) if proxies.has_one(page) else {})


def write(folder: Path, page: str, real: Mapping[str, str], ca_bundle: Path) -> None:
    """Into `folder` and `folder`/bin. `real` says what the addresses of the page are here."""
    realm = folder / "bin/realm.json"
    realm.write_text(here(_REALM.read_text(), real))
    program(folder / "bin/kc.sh", _keycloak(realm))
    (folder / "manage.py").write_text(_TOOLKIT)
    program(folder / "bin/kubectl", f'exec "{ROOT}/.venv/bin/python" "{ROOT}/tests/how_to/cluster.py" "{folder}" "$@"')
    program(folder / "bin/envoy", _ENVOY.format(folder=folder, python=f"{ROOT}/.venv/bin/python", **_gateway(real)))
    for name in ("tools", "deploy"):
        shutil.copytree(ROOT / name, folder / name)
    if proxies.has_one(page):
        proxies.write(folder, ca_bundle)


def has_postgresql() -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", 5432)) == 0


def gatehouse(env: Mapping[str, str]) -> str:
    """The command, for the server that has those settings; a page with a GATEHOUSE_HOME has a server of its own.

    To migrate takes longer than the rest of a page: a new SQLite file begins as a copy of one that is migrated.
    """
    ours = {name: value for name, value in env.items() if name.startswith(("GATEHOUSE_", "DATABASE_"))}
    exports = "".join(f"  [ -v {name} ] || export {name}='{value}'\n" for name, value in ours.items())
    url = urlsplit(databases.migrated())
    begin = f'[ -e "$file" ] || cp "{url.path}" "$file"' if url.scheme == "sqlite" else ":"
    return (
        f"if [ -v GATEHOUSE_HOME ]; then\n  file=$GATEHOUSE_HOME/gatehouse.sqlite3\nelse\n{exports}"
        f'  file=${{DATABASE_URL#sqlite:///}}\nfi\ncase "$1" in prepare|serve) {begin};; esac\n'
        # Files are named as the reader sees them.
        f'PYTHONPATH="{ROOT}" exec "{ROOT}/.venv/bin/python" "{ROOT}/manage.py" "$@"'
    )


def _keycloak(realm: Path) -> str:
    """`kc.sh export --realm REALM --file FILE`"""
    return f'[ "$1 $2 $3 $4" = "export --realm acme --file" ] || exit 2\ncp "{realm}" "$5"'

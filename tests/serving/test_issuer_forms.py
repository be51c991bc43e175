"""Servers under issuers of every form: they serve all pages, or say at the start what to write instead."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from demo.processes import ROOT, free_port
from tests.support import databases, processes
from tests.support.world import configuration, hidden_fields

pytestmark = pytest.mark.any_database

# The path of the issuer that the server is started with, and what a browser sends as its Host ({port} is filled in).
SERVED = [
    ("http://[::1]:{port}/o", "[::1]:{port}"),
    ("http://localhost:{port}/", "localhost:{port}"),
    ("https://xn--bcher-kva.example/o", "xn--bcher-kva.example"),
    ("https://[2001:db8::1]:8443/o", "[2001:db8::1]:8443"),
]


@pytest.mark.parametrize(("form", "host"), SERVED)
def test_all_pages_are_served(tmp_path: Path, form: str, host: str) -> None:
    port = free_port()
    issuer, host = form.format(port=port), host.format(port=port)
    path = urlsplit(issuer).path
    origin = f"{urlsplit(issuer).scheme}://{host}"
    with (
        databases.database(tmp_path, configuration()) as url,
        processes.running(url, tmp_path, path=path, workers=1, GATEHOUSE_ISSUER=issuer, PORT=str(port)),
        requests.Session() as browser,
    ):
        browser.trust_env = False
        browser.headers["Host"] = host
        here = f"http://127.0.0.1:{port}"
        metadata = browser.get(f"{here}/.well-known/oauth-authorization-server{path.rstrip('/')}", timeout=30).json()
        assert metadata["issuer"] == issuer
        assert metadata["token_endpoint"] == f"{issuer.rstrip('/')}/token"
        assert all(value.startswith(origin) for name, value in metadata.items() if name.endswith("_endpoint"))
        assert browser.get(f"{here}{path.rstrip('/')}/jwks", timeout=30).json()["keys"]
        page = browser.get(f"{here}/accounts/login/", timeout=30)
        assert page.status_code == 200
        fields = hidden_fields(page) | {"login": "alice", "password": "alice-password"}
        # Secure cookies are for https, which ends before this server: a browser would send them back.
        jar = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
        headers = {"Cookie": jar, "Origin": origin, "Referer": f"{origin}/accounts/login/"}
        signed_in = browser.post(f"{here}/accounts/login/", fields, headers=headers, timeout=30, allow_redirects=False)
        assert signed_in.status_code == 302, signed_in.text
        jar = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
        for address in ("/console/", "/account/", "/"):
            answer = browser.get(f"{here}{address}", headers={"Cookie": jar}, timeout=30, allow_redirects=False)
            assert answer.status_code in {200, 302}, (address, answer.status_code)
            assert "evil" not in answer.headers.get("Location", "")
        browser.headers["Host"] = "evil.example"
        assert browser.get(f"{here}/accounts/login/", timeout=30).status_code == 400


@pytest.mark.parametrize(
    ("issuer", "said"),
    [
        ("https://bücher.example/o", "xn--bcher-kva.example"),
        ("https://AUTH.example.com:443/o", "https://auth.example.com/o"),
        ("http://[::1", "not a URL"),
    ],
)
def test_other_issuers_are_refused_at_the_start(tmp_path: Path, issuer: str, said: str) -> None:
    environment = os.environ | {
        "PORT": str(free_port()),
        "GATEHOUSE_ISSUER": issuer,
        "GATEHOUSE_SECRET_KEY": "a secret key for this test only, and for nothing else",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}",
    }
    for command in (["-m", "authz.serving"], ["manage.py", "migrate"]):
        refused = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert refused.returncode != 0
        assert said in refused.stderr and "Traceback" not in refused.stderr, refused.stderr

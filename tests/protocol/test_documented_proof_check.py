"""The proof check that docs/bound-tokens.md and the console show, with the proofs of clients and of thieves."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.dpop import DpopKey

ROOT = Path(__file__).parents[2]
PAGE, FILE = ROOT / "docs/bound-tokens.md", ROOT / "examples/check_dpop_proof.py"
URL, TOKEN = "https://payroll.example.com/mcp", "an.access.token"
OWNER, THIEF = DpopKey(), DpopKey()


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert FILE.read_text().endswith(block)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102  our own page
    return names


def came(shown: dict[str, Any], proof: str | None, scheme: str = "DPoP", jkt: str = OWNER.jkt) -> None:
    shown["check_proof"]("POST", scheme, TOKEN, {"cnf": {"jkt": jkt}}, proof)


def test_it_lets_the_owner_in_once(shown: dict[str, Any]) -> None:
    proof = OWNER.proof(URL, token=TOKEN)
    came(shown, proof)
    with pytest.raises(ValueError, match="used before"):
        came(shown, proof)
    shown["check_proof"]("POST", "Bearer", TOKEN, {}, None)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        (THIEF, {}),
        (OWNER, {"key": THIEF.key}),
        (OWNER, {"method": "GET"}),
        (OWNER, {"htu": "https://evil.example/mcp"}),
        (OWNER, {"ath": None}),
        (OWNER, {"age": 400}),
        (OWNER, {"age": -400}),
        (OWNER, {"header": {"typ": "JWT"}}),
        (OWNER, {"jti": None}),
    ],
)
def test_it_lets_no_thief_in(shown: dict[str, Any], key: DpopKey, changes: dict[str, Any]) -> None:
    said = {"iat": int(time.time()) - changes.get("age", 0), **changes}
    said.pop("age", None)
    with pytest.raises(Exception):  # noqa: B017  PyJWT's errors, and its own
        came(shown, key.proof(URL, token=TOKEN, **said))


@pytest.mark.parametrize(("proof", "scheme"), [(None, "DPoP"), ("a,b", "DPoP"), (OWNER.proof(URL), "Bearer")])
def test_a_bound_token_needs_scheme_and_proof(shown: dict[str, Any], proof: str | None, scheme: str) -> None:
    with pytest.raises(ValueError, match="a bound token"):
        came(shown, proof, scheme)

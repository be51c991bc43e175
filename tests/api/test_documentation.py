"""docs/api.md tells the truth: its examples are run, in their order, and answer what it says."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from authz.api.urls import urlpatterns
from authz.configuration import apply
from authz.configuration.api_resource import SCOPES, identifier
from tests.api.conftest import Caller

PAGE = (Path(__file__).resolve().parents[2] / "docs/api.md").read_text()
EXAMPLES = re.findall(r"^```http\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
CONFIGURATION = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_examples_answer_what_the_page_says(person: Callable[[str], Caller]) -> None:
    alice = person("administrator")
    last: Any = None
    identity = ""
    for example in EXAMPLES:
        asked, _, answered = example.partition("→ ")
        status, _, expected = answered.partition("\n")
        head, _, content = asked.strip().partition("\n\n")
        first, *lines = head.splitlines()
        method, path = first.split(" ", 1)
        headers = dict(line.split(": ", 1) for line in lines)
        if last is not None and last.get("ETag"):
            headers = {name: value.replace("$ETAG", last["ETag"]) for name, value in headers.items()}
        if "$ID" in path:
            path = path.replace("$ID", identity)

        last = alice(
            method,
            path.removeprefix("/api/v1/"),
            content.encode() or None,
            content_type=headers.pop("Content-Type", "application/json"),
            **headers,
        )

        assert last.status_code == int(status), (example, last.content)
        if expected.strip():
            answer = json.loads(last.content)
            assert includes(answer, json.loads(expected)), (example, answer)
            identity = str(answer.get("id", identity))


def includes(answer: Any, expected: Any) -> bool:
    """Whether the answer has at least what the page shows of it."""
    if isinstance(expected, dict):
        return all(name in answer and includes(answer[name], value) for name, value in expected.items())
    if isinstance(expected, list):
        return len(answer) == len(expected) and all(map(includes, answer, expected))
    return bool(answer == expected)


def test_the_configuration_that_is_shown_opens_the_api(gatehouse: object) -> None:
    shown = yaml.safe_load(CONFIGURATION[0])

    apply(CONFIGURATION[0])

    assert shown["resources"][0]["identifier"] == identifier()
    assert [scope["name"] for scope in shown["resources"][0]["scopes"]] == list(SCOPES)


def test_every_url_is_documented() -> None:
    for pattern in urlpatterns:
        first = str(pattern.pattern).partition("/")[0]
        assert f"/api/v1/{first}" in PAGE, pattern
    assert len(EXAMPLES) > 10

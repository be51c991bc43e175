"""The examples of CAEP 1.0, SSF 1.0, RISC 1.0 and the interoperability profile, as printed, with our issuer."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from authz.conf import conf
from tests.xaa.company import IDP
from tests.xaa.signals.transmitter import TYP, Transmitter
from xaa.models import ReceivedSignal

RECORDED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "recorded.json").read_text())


@pytest.mark.parametrize("one", RECORDED, ids=lambda one: str(one["name"]))
def test_what_is_recorded_is_taken(okta: Transmitter, one: dict[str, Any]) -> None:
    """Who sends, to which receiver and when is ours; the recorded issuer becomes ours in subjects, too."""
    printed = one["claims"]
    text = json.dumps(printed).replace(printed["iss"], IDP).replace("jane.smith@example.com", "bob-at-idp")
    claims: dict[str, Any] = json.loads(text)
    claims |= {"aud": conf.issuer, "iat": int(time.time())}
    found = okta.push(okta.idp.sign(claims, TYP))
    assert (found.status, found.body) == (202, {})
    row = ReceivedSignal.objects.get()
    assert (row.outcome, row.action) == (one["outcome"], one["action"]), row.note

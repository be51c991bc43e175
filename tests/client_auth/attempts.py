"""Requests of clients that authenticate, and why they are refused."""

import base64
import json
from typing import Any

from django.http import HttpResponse

from authz.models import AuditEvent
from tests.support.world import World

WRONG = "a-wrong-secret-0123456789-0123456789-0123456789"


def ask(gatehouse: World, authorization: str = "", **params: Any) -> HttpResponse:
    headers = {"authorization": authorization} if authorization else {}
    return gatehouse.post("token", {"grant_type": "client_credentials"} | params, **headers)


def reason() -> str:
    """Why the last request was refused, as the operator reads it."""
    event = AuditEvent.objects.filter(event="token:access:refused").order_by("id").last()
    assert event is not None
    return event.reason


def refused(response: HttpResponse, code: str = "invalid_client") -> str:
    assert json.loads(response.content)["error"] == code
    assert response.status_code == (401 if code == "invalid_client" else 400)
    if response.status_code == 401:
        assert response["WWW-Authenticate"].startswith("Basic ")
    return reason()


def encoded(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()

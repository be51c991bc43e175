"""A trusted proxy whose header cannot be read: the operator is told, by whichever process saw it."""

from typing import Any

import pytest

from authz.limits import unreadable_headers
from authz.limits.addresses import client_address
from authz.limits.sightings import Sightings
from authz.operations import doctor

PROXY = "10.0.0.1"


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unreadable_headers, "_seen", Sightings("unreadable_headers"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("header", "value", "is_said"),
    [
        ("x-forwarded-for", "unknown", True),
        ("x-forwarded-for", "192.0.2.1, gateway.internal", True),
        ("x-forwarded-for", "300.1.1.1", True),
        ("x-forwarded-for", "_hidden", True),
        ("forwarded", "for=unknown", True),
        ("forwarded", "for=_hidden", True),
        ("x-forwarded-for", "192.0.2.1", False),
        ("x-forwarded-for", "192.0.2.1:1234", False),
        ("x-forwarded-for", "[2001:db8::1]:1234", False),
        ("x-forwarded-for", "unknown, 192.0.2.1", False),
        ("forwarded", 'for="[2001:db8::1]:1234"', False),
        ("x-forwarded-for", "", False),
    ],
)
def test_doctor_says_so(settings: Any, header: str, value: str, is_said: bool) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"TRUSTED_PROXIES": [f"{PROXY}/32"], "PROXY_HEADER": header}
    meta = {"REMOTE_ADDR": PROXY, f"HTTP_{header.upper().replace('-', '_')}": value}
    for _ in range(3):
        client_address(meta)
    unreadable_headers.note()
    findings = doctor.examine()["proxies"]
    assert [finding.level for finding in findings] == (["warning"] if is_said else [])
    assert all(
        PROXY in finding.says and header in finding.says and " 3 in a minute" in finding.says for finding in findings
    )

"""A caller that asks too often is made to wait: each endpoint of the decision point has a limit that can be set."""

from typing import Any

import pytest

from authz.settings import RATE_LIMITS
from tests.decision_point.conftest import PDP, configure

ENDPOINTS = {
    "evaluation": "evaluation",
    "evaluations": "evaluations",
    "events": "events",
    "access_request": "requests",
    "search_subject": "search/subject",
    "search_resource": "search/resource",
    "search_action": "search/action",
    "task": "requests/00000000-0000-0000-0000-000000000000",
}


@pytest.mark.parametrize("by", ["client", "address"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_each_endpoint_has_limits_of_its_own(pdp: PDP, settings: Any, endpoint: str, by: str) -> None:
    configure()
    assert f"{endpoint}:{by}" in RATE_LIMITS
    rates = dict.fromkeys(RATE_LIMITS, "none") | {f"{endpoint}:{by}": "2/minute"}
    settings.GATEHOUSE = settings.GATEHOUSE | {"RATE_LIMITS": rates}
    codes = [pdp.post(ENDPOINTS[endpoint], {}).status_code for _ in range(3)]
    assert (429 in codes[:2], codes[2]) == (False, 429)

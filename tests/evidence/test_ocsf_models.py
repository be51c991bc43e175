"""Every event, in every shape, is an object of the Python models that are made out of OCSF's published schemas."""

from enum import Enum

import pytest
from ocsf.v1_7_0.events import ApiActivity, Authentication, EntityManagement
from pydantic import ValidationError

from authz.evidence.formats import ocsf
from tests.evidence.test_formats import PLAIN
from tests.test_docs import members

MODELS = {3002: Authentication, 3004: EntityManagement, 6003: ApiActivity}
SHAPES = {"full": PLAIN, "refused": PLAIN | {"reason": "denied_by_policy"}, "bare": {"id": 7, "time": PLAIN["time"]}}


@pytest.mark.parametrize("event", [member.value for member in members("Event", Enum)])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_event_is_an_object_of_its_model(event: str, shape: str) -> None:
    record = ocsf.record(12, SHAPES[shape] | {"event": event})
    model = MODELS[record["class_uid"]].model_validate(dict(record))
    said = model.model_dump(mode="json", exclude_none=True)
    assert {name: value for name, value in said.items() if name not in {"severity", "status"}} == record


def test_the_models_find_mistakes() -> None:
    record = ocsf.record(12, PLAIN)
    for wrong in ({"activity_name": "issued"}, {"time": "yesterday"}, {"severity_id": 17}, {"type_uid": 1}):
        with pytest.raises(ValidationError):
            ApiActivity.model_validate(record | wrong)

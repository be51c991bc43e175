"""The list of roles and causes."""

from authz.outbound import Cause, Role


def test_every_cause_explains_itself() -> None:
    assert all(cause.sentence.endswith(".") for cause in Cause)
    assert len({role.value for role in Role}) == len(Role.__members__)

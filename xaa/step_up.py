"""The answer to an exchange that a better sign-in would make possible."""

from collections.abc import Mapping

from authz.policy import StepUp
from authz.protocol.errors import OAuthError
from authz.protocol.errors import Reason as CoreReason


def step_up(needed: StepUp, facts: Mapping[str, object]) -> OAuthError:
    # > An `insufficient_user_authentication` OAuth error response may be returned to convey the authentication
    # > requirements back to the client (ID-JAG §8.2, as RFC 9470 §3 does)
    parameters: dict[str, str | int] = {}
    if needed.max_auth_age is not None:
        parameters["max_age"] = needed.max_auth_age
    if needed.acr:
        parameters["acr_values"] = " ".join(needed.acr)
    return OAuthError(CoreReason.STEP_UP_REQUIRED, detail=needed.rule, parameters=parameters, facts=facts)

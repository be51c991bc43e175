"""Why a SCIM request is refused: an HTTP status, and `scimType` where RFC 7644 §3.12 has one. Pure."""

from xaa.scim.reasons import ScimReason

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimError(Exception):
    """Nothing of a refused request is written. `detail` is for the directory's administrator, and holds no value that
    was sent."""

    def __init__(
        self, status: int, detail: str, scim_type: str = "", *, reason: ScimReason = ScimReason.REQUEST_MALFORMED
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.scim_type = scim_type
        self.reason = reason


def body(status: int, detail: str, scim_type: str = "") -> dict[str, object]:
    # > status: The HTTP status code […] expressed as a JSON string. REQUIRED. (RFC 7644 §3.12)
    found: dict[str, object] = {"schemas": [ERROR], "status": str(status), "detail": detail}
    return found | ({"scimType": scim_type} if scim_type else {})


def invalid(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidValue")


def not_found() -> ScimError:
    return ScimError(404, "There is no such resource in this directory.", reason=ScimReason.NOT_THERE)


def taken(detail: str) -> ScimError:
    # > uniqueness: One or more of the attribute values are already in use or are reserved. (RFC 7644 §3.12)
    return ScimError(409, detail, "uniqueness", reason=ScimReason.TAKEN)

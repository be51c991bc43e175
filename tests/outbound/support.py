"""What the tests of outbound requests share."""

from typing import Any

import pytest
import trustme
from django.conf import settings
from django.test import override_settings

from authz.outbound import OutboundError, Role, fetch

DOCUMENT = Role.CLIENT_METADATA_DOCUMENT
CA = trustme.CA()
OK = b'{"a": 1}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def allowing(*pairs: tuple[str, int], bundle: str | None = None) -> Any:
    return override_settings(
        GATEHOUSE={**settings.GATEHOUSE, "OUTBOUND_ALLOWED_HOSTS": list(pairs), "OUTBOUND_CA_BUNDLE": bundle}
    )


def refused(url: str, role: Role = DOCUMENT, **headers: str) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        fetch(role, url, headers=headers)
    return caught.value

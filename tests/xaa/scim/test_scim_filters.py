"""What filters mean, as a table (RFC 7644 §3.4.2.2): one person, and whether the filter finds them."""

from typing import Any

import pytest

from xaa.scim import filter_text, filters
from xaa.scim.schemas import ENTERPRISE, KIND_OF_USER, USER

ZOE: dict[str, Any] = {
    "schemas": [USER, ENTERPRISE],
    "id": "5d0f1c2a-0000-4000-8000-000000000001",
    "externalId": "00uZoe",
    "userName": "Zoe@Acme.example",
    "name": {"givenName": "Zoë", "familyName": 'O"Hara'},
    "displayName": "Zoë 李",
    "active": True,
    "emails": [
        {"value": "zoe@acme.example", "type": "work", "primary": True},
        {"value": "zoe@home.example", "type": "home"},
    ],
    "groups": [{"value": "g-1", "display": "engineering", "type": "direct"}],
    ENTERPRISE: {"department": "R&D", "employeeNumber": "007"},
    "meta": {
        "resourceType": "User",
        "created": "2026-03-01T10:00:00Z",
        "lastModified": "2026-11-30T23:59:59.123456Z",
        "version": 'W/"3"',
    },
}

FINDS = [
    # Operators and names in any case; userName is not case exact, externalId and id are.
    'userName eq "zoe@acme.example"',
    'USERNAME EQ "ZOE@ACME.EXAMPLE"',
    'username Sw "zoe" And userName eW "EXAMPLE"',
    'externalId eq "00uZoe"',
    'externalId ne "00uzoe"',
    f'{USER}:userName eq "zoe@acme.example"',
    f"{USER.lower()}:name.familyName pr",
    f'{ENTERPRISE}:employeeNumber eq "007"',
    f'{ENTERPRISE.upper().replace("URN", "urn")}:DEPARTMENT co "&"',
    f'{ENTERPRISE}.department eq "r&d"',
    # Precedence: and binds more than or, not most.
    'userName eq "x" and active eq true or id pr',
    'id pr or userName eq "x" and active eq false',
    'not (userName eq "x") and active eq true',
    'not(userName eq "x")',
    'not (userName eq "x" or active eq false)',
    '((userName sw "z" and (active eq true or active eq false)))',
    # Values with parts.
    'emails eq "zoe@home.example"',
    'emails.value eq "zoe@home.example"',
    'emails.type eq "home"',
    'emails[type eq "work"]',
    'emails[type eq "work" and value co "@acme"]',
    'emails[type eq "home" and not (primary pr)]',
    'emails[primary eq true] and emails[type eq "home"]',
    'emails[type eq "work"].value eq "zoe@acme.example"',
    'emails[type eq "work"].value sw "zoe" and active eq true',
    f'{USER}:emails[type eq "work"].value pr',
    'emails.primary eq "True"',
    'groups.value eq "g-1"',
    'groups[display eq "engineering"]',
    'groups[value eq "g-1"].display eq "engineering"',
    "emails pr",
    "name pr",
    # Types.
    'name.familyName eq "o\\"hara"',
    'displayName co "\\u674e"',
    'displayName eq "zoë 李"',
    'active eq "true"',
    "active ne false",
    'meta.created gt "2026-02-28T20:00:00-12:00"',
    'meta.created eq "2026-03-01T11:00:00+01:00"',
    'meta.created le "2026-03-01T10:00:00"',
    'meta.lastModified le "2026-12-01T00:00:00Z"',
    'meta.lastModified gt "2026-11-30T23:59:59.123Z"',
    'userName gt "a" and userName lt "zz"',
    'meta.version eq "W/\\"3\\""',
    f'schemas eq "{ENTERPRISE}"',
    # What is not there.
    "displayName ne null",
    "title eq null",
    'title ne "boss"',
    "not (title pr)",
    "not (nothing pr)",
]
FINDS_NOT = [
    'userName eq "zoe"',
    'userName eq ""',
    "userName eq 5",
    'externalId eq "00uzoe"',
    'id eq "5D0F1C2A-0000-4000-8000-000000000001"',
    'userName eq "x" and id pr',
    '(id pr or userName eq "x") and active eq false',
    'emails[type eq "home" and primary eq true]',
    'emails[type eq "home"].value eq "zoe@acme.example"',
    'phoneNumbers[type eq "work"].value eq "1"',
    'title eq "boss"',
    "nothing pr",
    'urn:x:role eq "administrator"',
    f'{ENTERPRISE}:manager.value eq "x"',
    'userName eq "zoe@acme.example\\u0020"',
    'meta.created gt "yesterday"',
    "active eq 1",
    "externalId eq null",
]


@pytest.mark.parametrize(("text", "finds"), [*((one, True) for one in FINDS), *((one, False) for one in FINDS_NOT)])
def test_a_filter(text: str, finds: bool) -> None:
    assert filters.matches(filter_text.read(text, KIND_OF_USER), ZOE) is finds

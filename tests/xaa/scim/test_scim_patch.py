"""PATCH as a table: the resource, the operations, what becomes of it (RFC 7644 §3.5.2); and the fuzz of filters."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xaa.directories import PATCH
from xaa.scim import filter_text, filters, patch
from xaa.scim.problems import ScimError
from xaa.scim.schemas import ENTERPRISE, GROUP, KIND_OF_GROUP, KIND_OF_USER, USER

ANN: dict[str, Any] = {
    "userName": "ann",
    "active": True,
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "emails": [{"value": "w@a.example", "type": "work", "primary": True}, {"value": "h@a.example", "type": "home"}],
    ENTERPRISE: {"department": "Sales", "employeeNumber": "7"},
}


def patched(resource: dict[str, Any], *operations: dict[str, Any], kind: Any = KIND_OF_USER) -> dict[str, Any]:
    body = {"schemas": [PATCH], "Operations": list(operations)}
    return patch.apply(resource, patch.read(body, kind), kind)


OF_USERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a simple attribute": (
        {"op": "replace", "path": "displayName", "value": "A"},
        {**ANN, "displayName": "A"},
    ),
    "Entra's spelling of op": ({"op": "Replace", "path": "active", "value": False}, {**ANN, "active": False}),
    "Entra's spelling of false": ({"op": "Replace", "path": "active", "value": "False"}, {**ANN, "active": False}),
    "Okta's way without a path": ({"op": "replace", "value": {"active": False}}, {**ANN, "active": False}),
    "a name in any case": ({"op": "add", "path": "DISPLAYNAME", "value": "A"}, {**ANN, "displayName": "A"}),
    "a part": (
        {"op": "replace", "path": "name.familyName", "value": "Li"},
        {**ANN, "name": {"givenName": "Ann", "familyName": "Li"}},
    ),
    "a complex attribute: parts that are not named stay": (
        {"op": "replace", "path": "name", "value": {"familyName": "Li"}},
        {**ANN, "name": {"givenName": "Ann", "familyName": "Li"}},
    ),
    "Entra's paths as members of a value": (
        {"op": "Add", "value": {"name.familyName": "Li", "displayName": "A"}},
        {**ANN, "name": {"givenName": "Ann", "familyName": "Li"}, "displayName": "A"},
    ),
    "a filtered part": (
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "n@a.example"},
        {**ANN, "emails": [{"value": "n@a.example", "type": "work", "primary": True}, ANN["emails"][1]]},
    ),
    "a filtered part that is not there is made": (
        {"op": "Add", "path": 'emails[type eq "other"].value', "value": "o@a.example"},
        {**ANN, "emails": [*ANN["emails"], {"type": "other", "value": "o@a.example"}]},
    ),
    "a filtered value goes": (
        {"op": "remove", "path": 'emails[type eq "work" and value eq "w@a.example"]'},
        {**ANN, "emails": [ANN["emails"][1]]},
    ),
    "all values go": ({"op": "remove", "path": "emails"}, {k: v for k, v in ANN.items() if k != "emails"}),
    "null is no value": (
        {"op": "replace", "path": "name", "value": None},
        {k: v for k, v in ANN.items() if k != "name"},
    ),
    "values are replaced": (
        {"op": "replace", "path": "emails", "value": [{"value": "n@a.example"}]},
        {**ANN, "emails": [{"value": "n@a.example"}]},
    ),
    "a value that is there is not there twice": ({"op": "add", "path": "emails", "value": [ANN["emails"][1]]}, ANN),
    "one primary": (
        {"op": "add", "path": "emails", "value": {"value": "n@a.example", "primary": True}},
        {
            **ANN,
            "emails": [
                {**ANN["emails"][0], "primary": False},
                ANN["emails"][1],
                {"value": "n@a.example", "primary": True},
            ],
        },
    ),
    "an extension's attribute": (
        {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "HR"},
        {**ANN, ENTERPRISE: {"department": "HR", "employeeNumber": "7"}},
    ),
    "an extension's attributes": (
        {"op": "add", "value": {ENTERPRISE: {"department": "HR"}}},
        {**ANN, ENTERPRISE: {"department": "HR", "employeeNumber": "7"}},
    ),
    "an extension goes": (
        {"op": "remove", "path": ENTERPRISE},
        {k: v for k, v in ANN.items() if k != ENTERPRISE},
    ),
    "the kind's own URN": ({"op": "add", "path": f"{USER}:displayName", "value": "A"}, {**ANN, "displayName": "A"}),
    "what is not kept is dropped": ({"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "1"}, ANN),
    "so is an extension's": ({"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "7"}, ANN),
    "Okta repeats the id": ({"op": "replace", "value": {"id": "x", "displayName": "A"}}, {**ANN, "displayName": "A"}),
    "a core attribute by its URN, in any case": (
        {
            "op": "replace",
            "path": f'{USER.upper().replace("URN", "urn")}:EMAILS[TYPE EQ "work"].VALUE',
            "value": "n@a.example",
        },
        {**ANN, "emails": [{"value": "n@a.example", "type": "work", "primary": True}, ANN["emails"][1]]},
    ),
    "an extension's attribute after a dot": (
        {"op": "Replace", "path": f"{ENTERPRISE}.department", "value": "HR"},
        {**ANN, ENTERPRISE: {"department": "HR", "employeeNumber": "7"}},
    ),
    "an extension's attribute as a member of a value": (
        {"op": "replace", "value": {f"{ENTERPRISE}:employeeNumber": "8"}},
        {**ANN, ENTERPRISE: {"department": "Sales", "employeeNumber": "8"}},
    ),
    "an attribute of another schema is dropped": (
        {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:tag", "value": "x"},
        ANN,
    ),
    "so is one that has the name of ours": ({"op": "add", "path": "urn:x:userName", "value": "x"}, ANN),
    "and one that goes": ({"op": "remove", "path": "urn:x:active"}, ANN),
    "one value in a list of objects": (
        {"op": "Replace", "path": "active", "value": [{"value": "False"}]},
        {**ANN, "active": False},
    ),
    "members of an operation in any case": (
        {"Op": "replace", "Path": "displayName", "Value": "A"},
        {**ANN, "displayName": "A"},
    ),
    "a filter with and, where there is such a value": (
        {"op": "Replace", "path": 'emails[type eq "work" and primary eq true].value', "value": "n@a.example"},
        {**ANN, "emails": [{"value": "n@a.example", "type": "work", "primary": True}, ANN["emails"][1]]},
    ),
    "a filter with true as a text": (
        {"op": "Add", "path": 'emails[primary eq "True"].value', "value": "n@a.example"},
        {**ANN, "emails": [{"value": "n@a.example", "type": "work", "primary": True}, ANN["emails"][1]]},
    ),
    "a value without content changes nothing": (
        {"op": "replace", "path": 'emails[type eq "work"]', "value": {"value": None}},
        ANN,
    ),
    "unicode and quotes": (
        {"op": "replace", "path": "displayName", "value": 'Zo\u00eb \u674e "Z" \\'},
        {**ANN, "displayName": 'Zo\u00eb \u674e "Z" \\'},
    ),
    "null takes away": (
        {"op": "replace", "value": {"name": {"givenName": None, "familyName": "Li"}, "emails": None}},
        {key: value for key, value in ANN.items() if key != "emails"}
        | {"name": {"givenName": "Ann", "familyName": "Li"}},
    ),
    "unknown members of a value are dropped": ({"op": "replace", "value": {"role": "administrator"}}, ANN),
}


@pytest.mark.parametrize("case", OF_USERS)
def test_a_person(case: str) -> None:
    operation, becomes = OF_USERS[case]
    assert patched(ANN, operation) == becomes


TEAM = {"displayName": "Team", "members": [{"value": "1"}, {"value": "2"}, {"value": "3"}]}
OF_GROUPS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "added": ({"op": "Add", "path": "members", "value": [{"$ref": None, "value": "4"}]}, ["1", "2", "3", "4"]),
    "added without a path": ({"op": "add", "value": {"members": [{"value": "4"}]}}, ["1", "2", "3", "4"]),
    "there already": ({"op": "add", "path": "members", "value": [{"value": "2", "display": "x"}]}, ["1", "2", "3"]),
    "removed by a filter": ({"op": "remove", "path": 'members[value eq "2"]'}, ["1", "3"]),
    "removed by Entra's value": ({"op": "Remove", "path": "members", "value": [{"value": "2"}]}, ["1", "3"]),
    "replaced": ({"op": "replace", "path": "members", "value": [{"value": "9"}]}, ["9"]),
    "added as texts": ({"op": "add", "path": "members", "value": ["4", "5"]}, ["1", "2", "3", "4", "5"]),
    "removed as texts": ({"op": "remove", "path": "members", "value": ["1", "3"]}, ["2"]),
    "removed by one object": ({"op": "Remove", "path": "members", "value": {"value": "2"}}, ["1", "3"]),
    "removed by or": ({"op": "remove", "path": 'members[value eq "1" or value eq "3"]'}, ["2"]),
    "removed by the URN": ({"op": "remove", "path": f'{GROUP}:members[value eq "1"]'}, ["2", "3"]),
    "removed, who is not there": ({"op": "remove", "path": 'members[value eq "9"]'}, ["1", "2", "3"]),
    "in any case": ({"op": "ADD", "path": "MEMBERS", "value": [{"Value": "4"}]}, ["1", "2", "3", "4"]),
    "the name alone": (
        {"op": "replace", "value": {"id": "x", "displayName": "T", "description": "x"}},
        ["1", "2", "3"],
    ),
    "Okta's own schema": ({"op": "add", "value": {"urn:okta:custom:group:1.0": {"description": "x"}}}, ["1", "2", "3"]),
    "emptied without a path": ({"op": "replace", "value": {"members": [], "id": "x", "displayName": "T"}}, []),
    "emptied by null": ({"op": "replace", "path": "members", "value": None}, []),
    "emptied": ({"op": "replace", "path": "members", "value": []}, []),
    "all removed": ({"op": "remove", "path": "members"}, []),
}


@pytest.mark.parametrize("case", OF_GROUPS)
def test_members(case: str) -> None:
    operation, becomes = OF_GROUPS[case]
    found = patched(TEAM, operation, kind=KIND_OF_GROUP)
    assert [one["value"] for one in found.get("members", [])] == becomes


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such operation": ({"op": "move", "path": "active", "value": 1}, "invalidSyntax"),
    "a remove of nothing": ({"op": "remove"}, "noTarget"),
    "a required attribute goes": ({"op": "remove", "path": "userName"}, "mutability"),
    "active goes": ({"op": "remove", "path": "active"}, "mutability"),
    "a required attribute without a value": ({"op": "replace", "path": "userName", "value": ""}, "invalidValue"),
    "no value": ({"op": "add", "path": "displayName"}, "invalidValue"),
    "a member of it twice": ({"op": "add", "Op": "remove", "path": "displayName", "value": "x"}, "invalidSyntax"),
    "an index": ({"op": "replace", "path": "emails[0].value", "value": "x"}, "invalidFilter"),
    "two parts": ({"op": "replace", "path": 'emails[type eq "work"].value.x', "value": "x"}, "invalidPath"),
    "when it was made": ({"op": "replace", "path": "meta.created", "value": "2020-01-01T00:00:00Z"}, "mutability"),
    "read-only": ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
    "the groups of a person": ({"op": "add", "path": "groups", "value": [{"value": "x"}]}, "mutability"),
    "an attribute of ours": ({"op": "replace", "path": "role", "value": "administrator"}, "invalidPath"),
    "a path that ends nowhere": ({"op": "add", "path": 'emails[type eq "work"', "value": "x"}, "invalidFilter"),
    "a filter that describes no value": (
        {"op": "replace", "path": 'emails[type sw "z"].value', "value": "x"},
        "noTarget",
    ),
    "a wrong type": ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
    "a path and a value that is none": ({"op": "replace", "value": "x"}, "invalidValue"),
    "two primary values": (
        {
            "op": "replace",
            "path": "emails",
            "value": [{"value": "a", "primary": True}, {"value": "b", "primary": True}],
        },
        "invalidValue",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    operation, code = REFUSED[case]
    with pytest.raises(ScimError) as refused:
        patched(ANN, operation)
    assert refused.value.scim_type == code


WORDS = st.sampled_from(
    [
        *("userName", "emails", "emails.type", "name.givenName", "meta.created", "active", "nothing", f"{USER}:id"),
        *("eq", "ne", "co", "sw", "ew", "gt", "le", "pr", "and", "or", "not", "(", ")", "[", "]", '"a"', '"ann"'),
        *("true", "null", "5", "-1.5", '"2026-01-01T00:00:00Z"', ".value", ".", ":", "\\", '"', "é", "urn:x:y"),
    ]
)


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_filter_or_is_refused(text: str) -> None:
    for kind, resource in ((KIND_OF_USER, ANN), (KIND_OF_GROUP, TEAM)):
        try:
            found = filter_text.read(text, kind)
        except ScimError as refused:
            assert (refused.status, refused.scim_type) == (400, "invalidFilter")
            continue
        assert filters.matches(found, resource) in (True, False)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "True", "x@y.example"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "type", "primary", "name", "emails", "id", "name.givenName", GROUP]), inner
        )
    ),
    max_leaves=6,
)
PATHS = st.none() | st.lists(WORDS, max_size=6).map("".join) | st.sampled_from(["emails", "members", ENTERPRISE, USER])


@given(st.sampled_from(["add", "Replace", "remove", "x"]), PATHS, VALUES)
def test_any_operation_is_applied_or_refused(op: str, path: str | None, value: Any) -> None:
    for kind, resource in ((KIND_OF_USER, ANN), (KIND_OF_GROUP, TEAM)):
        try:
            patched(resource, {"op": op, "path": path, "value": value}, kind=kind)
        except ScimError as refused:
            assert 400 <= refused.status < 500

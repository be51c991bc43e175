"""What a binding wants of claims, in the forms in which platforms write them: the rule, as tables."""

from typing import Any

import pytest

from xaa import workloads
from xaa.workloads import Binding, workload_claims

KUBERNETES = {
    "kubernetes.io": {
        "namespace": "agents",
        "pod": {"name": "nightly-5d8", "uid": "1"},
        "serviceaccount": {"name": "nightly", "uid": "2"},
        "warnafter": 1_700_003_607,
    }
}
GOOGLE = {
    "google": {"compute_engine": {"project_id": "acme", "project_number": 739419398126, "license_id": ["1", "2"]}}
}
AWS = {"https://sts.amazonaws.com/": {"aws_account": "012345678901", "request_tags": {"team": "data"}}}

SAME = [
    # A number, a boolean and their text are one: platforms write both.
    (12345, "12345"),
    ("12345", 12345),
    (12345, 12345.0),
    (1.5, "1.5"),
    (0, "0"),
    (-7, "-7"),
    (True, "true"),
    ("true", True),
    (False, "false"),
    ("", ""),
    ("production", "production"),
    (None, None),
    # A list has what is wanted.
    ("b", ["a", "b"]),
    (2, ["1", "2"]),
    (["b", "a"], ["a", "b", "c"]),
    (["a"], "a"),
    ([], []),
    # An object has at least what is wanted.
    ({"a": 1}, {"a": "1", "b": 2}),
    ({"a": {"b": ["c"]}}, {"a": {"b": ["c", "d"]}}),
    ({}, {}),
    ({"a": 1}, [{"a": 2}, {"a": 1}]),
]
OTHER = [
    (1, True),
    ("1", True),
    (0, False),
    ("True", True),
    ("012", 12),
    ("1e3", 1000),
    (" 12", 12),
    ("Production", "production"),
    ("production", "production "),
    (None, ""),
    (None, "null"),
    ("null", None),
    ("", None),
    ("a", ["ab"]),
    ("a", []),
    (["a", "b"], "a"),
    (["a", "b"], ["a"]),
    ([], ["a"]),
    ([], "a"),
    ({}, {"a": 1}),
    ({}, None),
    ({"a": 1}, {"b": 1}),
    ({"a": 1}, "{'a': 1}"),
    ("{'a': 1}", {"a": 1}),
    ("['a']", ["a"]),
]


@pytest.mark.parametrize(("wanted", "found"), SAME)
def test_a_claim_is_the_same_in_the_forms_that_platforms_write(wanted: Any, found: Any) -> None:
    assert workload_claims.differences({"claim": wanted}, {"claim": found}) == ()
    assert workloads.matches(Binding("s", "client", {"claim": wanted}), {"sub": "s", "claim": found})


@pytest.mark.parametrize(("wanted", "found"), OTHER)
def test_what_only_looks_alike_is_another(wanted: Any, found: Any) -> None:
    assert len(workload_claims.differences({"claim": wanted}, {"claim": found})) == 1
    assert not workloads.matches(Binding("s", "client", {"claim": wanted}), {"sub": "s", "claim": found})


@pytest.mark.parametrize(
    ("wanted", "claims", "holds"),
    [
        ({"kubernetes.io": {"namespace": "agents"}}, KUBERNETES, True),
        ({"kubernetes.io": {"namespace": "other"}}, KUBERNETES, False),
        ({"kubernetes.io.namespace": "agents"}, KUBERNETES, True),
        ({"kubernetes.io.namespace": "other"}, KUBERNETES, False),
        ({"kubernetes.io.serviceaccount.name": "nightly"}, KUBERNETES, True),
        ({"kubernetes.io": {"serviceaccount.name": "nightly"}}, KUBERNETES, True),
        ({"kubernetes.io.serviceaccount": {"name": "nightly"}}, KUBERNETES, True),
        ({"kubernetes.io.warnafter": "1700003607"}, KUBERNETES, True),
        ({"kubernetes.io/serviceaccount/namespace": "a"}, {"kubernetes.io/serviceaccount/namespace": "a"}, True),
        ({"kubernetes.io.namespace": "agents"}, {"kubernetes.io.namespace": "agents"}, True),
        ({"kubernetes": {"io": {"namespace": "agents"}}}, KUBERNETES, False),
        ({"kubernetes.io.nothing": "agents"}, KUBERNETES, False),
        ({"kubernetes.io.namespace.x": "agents"}, KUBERNETES, False),
        ({"google.compute_engine.project_id": "acme"}, GOOGLE, True),
        ({"google.compute_engine.project_number": "739419398126"}, GOOGLE, True),
        ({"google.compute_engine.license_id": "2"}, GOOGLE, True),
        ({"https://sts.amazonaws.com/": {"aws_account": "012345678901"}}, AWS, True),
        ({"https://sts.amazonaws.com/.aws_account": "012345678901"}, AWS, True),
        ({"https://sts.amazonaws.com/.request_tags.team": "data"}, AWS, True),
        ({"https://sts.amazonaws.com/.aws_account": 12345678901}, AWS, False),  # a zero at the front is not nothing
        # A name that leads to two places must be right in both: the second may be the workload's own to write.
        ({"a.b": "x"}, {"a": {"b": "x"}, "a.b": "x"}, True),
        ({"a.b": "x"}, {"a": {"b": "y"}, "a.b": "x"}, False),
        ({"a.b": "x"}, {"a": {"b": "x"}, "a.b": "y"}, False),
        ({"a.b.c": "x"}, {"a": {"b.c": "x", "b": {"c": "y"}}}, False),
        ({"": "x"}, {"": "x"}, True),
        ({".": "x"}, {"": {"": "x"}}, True),
        ({"a": None}, {}, False),
    ],
)
def test_a_name_leads_into_objects_at_its_dots(wanted: dict[str, Any], claims: dict[str, Any], holds: bool) -> None:
    assert (workload_claims.differences(wanted, claims) == ()) is holds


def test_many_dots_cost_no_more_than_there_are_claims() -> None:
    claims: dict[str, Any] = {"x": 1}
    for _ in range(12):
        claims = {"a": claims, "a.a": {"a": 1}}
    (found,) = workload_claims.differences({".".join("a" * 200): 2}, claims)
    assert found.found == ()


BINDINGS = (
    Binding("repo:acme@*/app@*:environment:production", "deploy", {"repository_id": 456789, "ref_protected": True}),
    Binding("repo:acme/app:*", "build", {"runner_environment": "github-hosted"}),
)


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        (
            {"sub": "repo:acme@123/app@456789:environment:production", "repository_id": "1", "ref_protected": "true"},
            "nearest is repo:acme@*/app@*:environment:production for deploy:"
            ' repository_id is "1" (string), and the binding wants 456789 (number)',
        ),
        (
            {"sub": "repo:acme/app:ref:refs/heads/main", "runner_environment": "self-hosted"},
            'nearest is repo:acme/app:* for build: runner_environment is "self-hosted" (string), and the binding wants'
            ' "github-hosted" (string)',
        ),
        (
            {"sub": "repo:acme/app:ref:refs/heads/main"},
            'runner_environment is absent, and the binding wants "github-hosted" (string)',
        ),
        (
            {"sub": "repo:acme/other:x", "runner_environment": "github-hosted"},
            'nearest is repo:acme/app:* for build: sub is "repo:acme/other:x" (string), and the binding wants',
        ),
        ({"sub": 7, "runner_environment": True}, "sub is 7 (number)"),
        ({"sub": None}, "sub is null (null)"),
        ({}, "sub is absent"),
        ({"sub": "repo:acme/app:x", "runner_environment": ["a"]}, "runner_environment is ['a'] (list)"),
        ({"sub": "repo:acme/app:x", "runner_environment": {"a": 1}}, "runner_environment is {'a': 1} (object)"),
        ({"sub": "repo:acme/app:x", "runner_environment": "z" * 500}, "zzz… (string)"),
    ],
)
def test_the_nearest_binding_is_named_with_what_differed(claims: dict[str, Any], said: str) -> None:
    told = workloads.nearest(BINDINGS, claims)
    assert said in told
    assert len(told) < 1000


def test_without_bindings_nothing_is_near() -> None:
    assert workloads.nearest((), {"sub": "x"}) == ""


@pytest.mark.parametrize(
    ("subject", "client"),
    [
        ("repo:acme@123/app@456:environment:production", "deploy"),
        ("repo:acme@123/app@456:environment:staging", None),
        ("repo:acme@123/app@456/x:environment:production", None),
        ("repo:acme@1:2/app@456:environment:production", None),
        ("repo:acme@/app@456:environment:production", None),  # a star is at least one character
        ("repo:acme-evil@123/app@456:environment:production", None),
        ("repo:acme/app@456:environment:production", None),
        ("repo:acme/app:ref:refs/heads/main", "build"),
        ("repo:acme/app:pull_request", "build"),
        ("repo:acme@123/app@456:ref:refs/heads/main", None),
    ],
)
def test_githubs_subjects_with_ids_are_matched_segment_by_segment(subject: str, client: str | None) -> None:
    claims = {"sub": subject, "repository_id": "456789", "ref_protected": "true", "runner_environment": "github-hosted"}
    assert workloads.clients_of(BINDINGS, claims) == ((client,) if client else ())

"""Each comparison with arguments of each kind: only what every reader of the call would read alike establishes it."""

from decimal import Decimal

import pytest

from authz.policy import RuleError
from authz.policy.argument_parsing import argument_conditions
from authz.policy.match import NO, NOT_ESTABLISHED, YES, Match

HUGE = Decimal("1E+999999999")


def matched(wanted: dict[str, object], arguments: object, path: str = "a") -> Match:
    (condition,) = argument_conditions({path: wanted}, "arguments")
    return condition.match(arguments)  # type: ignore[arg-type] # also what a call should not have


@pytest.mark.parametrize(
    ("wanted", "given", "expected"),
    [
        # numbers: one value however it is written, and no other type for it
        ({"equals": 1}, 1, YES),
        ({"equals": 1}, Decimal("1.0"), YES),
        ({"equals": 1}, Decimal("1E0"), YES),
        ({"equals": 0}, Decimal("-0"), YES),
        ({"equals": 0.1}, Decimal("0.1"), YES),
        ({"equals": 0.1}, Decimal("0.10"), YES),
        ({"equals": 1}, 2, NO),
        ({"equals": 1}, "1", NOT_ESTABLISHED),
        ({"equals": 1}, True, NOT_ESTABLISHED),
        ({"equals": 1}, None, NOT_ESTABLISHED),
        ({"equals": 1}, [1], NOT_ESTABLISHED),
        ({"equals": 1}, {"a": 1}, NOT_ESTABLISHED),
        ({"equals": 1}, 1.0, NOT_ESTABLISHED),
        # a double cannot tell them apart
        ({"equals": 1000}, Decimal("1000.00000000000000000001"), NOT_ESTABLISHED),
        ({"equals": 2**53 - 1}, 2**53 - 1, YES),
        ({"equals": 2**53 - 1}, 2**53, NOT_ESTABLISHED),
        ({"equals": True}, True, YES),
        ({"equals": True}, False, NO),
        ({"equals": True}, 1, NOT_ESTABLISHED),
        ({"equals": True}, "true", NOT_ESTABLISHED),
        # texts: letter by letter, and what looks alike is not known
        ({"equals": "DE"}, "DE", YES),
        ({"equals": "DE"}, "FR", NO),
        ({"equals": "DE"}, "", NO),
        ({"equals": "DE"}, "de", NOT_ESTABLISHED),
        ({"equals": "DE"}, " DE", NOT_ESTABLISHED),
        ({"equals": "DE"}, "D\u200bE", NOT_ESTABLISHED),
        ({"equals": "DE"}, "\uff24\uff25", NOT_ESTABLISHED),
        ({"equals": "caf\u00e9"}, "caf\u00e9", YES),
        ({"equals": "caf\u00e9"}, "cafe\u0301", NOT_ESTABLISHED),
        ({"equals": "stra\u00dfe"}, "STRASSE", NOT_ESTABLISHED),
        ({"equals": "1"}, 1, NOT_ESTABLISHED),
        ({"equals": "DE"}, "x" * 5000, NOT_ESTABLISHED),
        ({"equals": "/etc/passwd"}, "/etc/./passwd", NOT_ESTABLISHED),
        ({"equals": "/etc/passwd"}, "/etc/group", NO),
        ({"one_of": ["DE", "FR"]}, "FR", YES),
        ({"one_of": ["DE", "FR"]}, "US", NO),
        ({"one_of": ["DE", "FR"]}, "fr", NOT_ESTABLISHED),
        ({"one_of": ["DE", "FR"]}, ["DE"], NOT_ESTABLISHED),
        ({"one_of": [1, 2]}, Decimal("2.0"), YES),
        ({"one_of": [1, 2]}, "2", NOT_ESTABLISHED),
        ({"below": 1000}, 999, YES),
        ({"below": 1000}, -5, YES),
        ({"below": 1000}, 1000, NO),
        ({"below": 1000}, Decimal("999.99"), YES),
        ({"below": 1000}, Decimal("1E+3"), NO),
        ({"below": 1000}, Decimal("999.99999999999999999999"), NOT_ESTABLISHED),
        ({"below": 1000}, Decimal("1E-999999999"), YES),
        ({"below": 1000}, HUGE, NOT_ESTABLISHED),
        ({"below": 1000}, HUGE.copy_negate(), NOT_ESTABLISHED),
        ({"below": 1000}, -(10**4000), NOT_ESTABLISHED),
        ({"below": 1000}, Decimal("NaN"), NOT_ESTABLISHED),
        ({"below": 1000}, Decimal("-Infinity"), NOT_ESTABLISHED),
        ({"below": 1000}, "999", NOT_ESTABLISHED),
        ({"below": 1000}, False, NOT_ESTABLISHED),
        ({"below": 1000}, None, NOT_ESTABLISHED),
        ({"at_least": 1000}, 1000, YES),
        ({"at_least": 1000}, 999, NO),
        ({"at_least": 1000}, Decimal("999.99999999999999999999"), NOT_ESTABLISHED),
        ({"at_least": 10, "below": 20}, 15, YES),
        ({"at_least": 10, "below": 20}, 20, NO),
        ({"at_least": 10, "equals": "x"}, 15, NOT_ESTABLISHED),
        ({"prefix": "INV-"}, "INV-7", YES),
        ({"prefix": "INV-"}, "INV-", YES),
        ({"prefix": "INV-"}, "PAY-7", NO),
        ({"prefix": "INV-"}, "inv-7", NOT_ESTABLISHED),
        ({"prefix": "INV-"}, 7, NOT_ESTABLISHED),
        ({"prefix": "/reports/"}, "/reports/2026", YES),
        ({"prefix": "/reports/"}, "/payroll/2026", NO),
        ({"prefix": "/reports/"}, "/reports/../payroll", NOT_ESTABLISHED),
        ({"prefix": "/reports/"}, "/reports/..", NOT_ESTABLISHED),
        ({"prefix": "/reports/"}, "/reports/%2e%2e/payroll", NOT_ESTABLISHED),
        ({"prefix": "/reports/"}, "/reports/..\\payroll", NOT_ESTABLISHED),
        ({"prefix": "/payroll/"}, "//payroll/2026", NOT_ESTABLISHED),
        ({"prefix": "/payroll/"}, "/x/../payroll/2026", NOT_ESTABLISHED),
        ({"prefix": "https://mail.example.com/"}, "https://mail.example.com/a", YES),
        ({"prefix": "https://mail.example.com/"}, "https://mail.example.com.evil.org/a", NO),
        ({"present": True}, "x", YES),
        ({"present": True}, "", YES),
        ({"present": True}, [], YES),
        ({"present": True}, None, NOT_ESTABLISHED),
        ({"present": False}, None, NOT_ESTABLISHED),
        ({"present": False}, 0, NO),
    ],
)
def test_a_comparison_with_a_value(wanted: dict[str, object], given: object, expected: Match) -> None:
    assert matched(wanted, {"a": given}) is expected


@pytest.mark.parametrize(
    ("path", "wanted", "arguments", "expected"),
    [
        ("a", {"equals": 1}, {}, NOT_ESTABLISHED),
        ("a", {"equals": 1}, None, NOT_ESTABLISHED),
        ("a", {"present": True}, {}, NO),
        ("a", {"present": False}, {}, YES),
        ("a", {"present": False}, None, NOT_ESTABLISHED),
        ("to.country", {"equals": "DE"}, {"to": {"country": "DE"}}, YES),
        ("to.country", {"equals": "DE"}, {"to.country": "DE"}, NOT_ESTABLISHED),
        ("to.country", {"equals": "DE"}, {"to": "DE"}, NOT_ESTABLISHED),
        ("to.country", {"equals": "DE"}, {"to": [{"country": "DE"}]}, NOT_ESTABLISHED),
        ("to.country", {"present": False}, {"to": None}, NOT_ESTABLISHED),
        ("to.country", {"present": False}, {"to": {}}, YES),
        ("to.country", {"present": False}, {}, YES),
        # Some readers match names in any case, and the last one wins.
        ("amount", {"below": 10}, {"amount": 1, "Amount": 9000}, NOT_ESTABLISHED),
        ("amount", {"below": 10}, {"AMOUNT": 1}, NOT_ESTABLISHED),
        ("amount", {"present": False}, {"Amount": 1}, NOT_ESTABLISHED),
        ("amount", {"below": 10}, {"amount": 1, "amo\u200bunt": 9000}, NOT_ESTABLISHED),
        ("amount", {"below": 10}, {"amount": 1, "\uff41mount": 9000}, NOT_ESTABLISHED),
        ("amount", {"below": 10}, {"amount": 1, **{f"m{n}": n for n in range(300)}}, NOT_ESTABLISHED),
    ],
)
def test_a_member_is_found_by_its_path(
    path: str, wanted: dict[str, object], arguments: object, expected: Match
) -> None:
    assert matched(wanted, arguments, path) is expected


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["amount"], "arguments"),
        ({"amount": 5}, "arguments.amount"),
        ({"amount": {}}, "arguments.amount"),
        ({"amount": {"under": 5}}, "arguments.amount.under"),
        ({"amount": {"below": "5"}}, "arguments.amount.below"),
        ({"amount": {"below": True}}, "arguments.amount.below"),
        ({"amount": {"below": float("nan")}}, "arguments.amount.below"),
        ({"amount": {"below": 2**53}}, "arguments.amount.below"),
        ({"amount": {"equals": None}}, "arguments.amount.equals"),
        ({"amount": {"equals": ""}}, "arguments.amount.equals"),
        ({"amount": {"equals": [1]}}, "arguments.amount.equals"),
        ({"amount": {"equals": "cafe\u0301"}}, "arguments.amount.equals"),
        ({"amount": {"one_of": []}}, "arguments.amount.one_of"),
        ({"amount": {"one_of": "DE"}}, "arguments.amount.one_of"),
        ({"amount": {"one_of": [1, "1"]}}, "arguments.amount.one_of"),
        ({"amount": {"one_of": [1, True]}}, "arguments.amount.one_of"),
        ({"amount": {"prefix": 1}}, "arguments.amount.prefix"),
        ({"amount": {"present": "yes"}}, "arguments.amount.present"),
        ({"to..country": {"present": True}}, "arguments"),
        ({"a b": {"present": True}}, "arguments"),
        ({"a.b.c.d.e.f": {"present": True}}, "arguments"),
        ({1: {"present": True}}, "arguments"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: object, field: str) -> None:
    with pytest.raises(RuleError) as refused:
        argument_conditions(arguments, "arguments")
    assert refused.value.field == field


def test_conditions_come_back_as_they_were_written() -> None:
    shape = {
        "amount": {"at_least": 10, "below": 99.9},
        "to.country": {"one_of": ["DE", "FR"]},
        "note": {"prefix": "INV-"},
        "urgent": {"equals": False},
        "reason": {"present": True},
    }
    read = argument_conditions(shape, "arguments")
    assert {condition.path: condition.to_mapping() for condition in read} == shape

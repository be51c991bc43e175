"""The circumstances under which a rule applies, and whether a question is in them: yes, no, or not established.

A condition that is left out, null or an empty list asks for nothing. (This differs from the lists of who and what,
where an empty list matches none: those permit, these only restrict.) The entries of a list are alternatives.

What isn't known counts for the restriction: an allow needs YES, a deny or require_approval is kept off only by NO. Two
conditions need more words:

amr             is YES when every method listed was used, NO when none was, and not established in between: so
                `amr: [pwd, otp]` permits only a sign-in with both and denies a sign-in with either.
max_auth_age    is a demand and never NO: a person can always wait until a sign-in is old, and must not escape a
                restriction by that.
arguments, unusual   are about a tool call (arguments.py, unusual.py); a question without one is answered in
                compiled.py.
extensions   are answered outside of the engine (extension_conditions.py).
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from authz.policy.argument_parsing import argument_conditions
from authz.policy.arguments import ArgumentCondition
from authz.policy.extension_conditions import ExtensionCondition, extension_conditions, shape
from authz.policy.hours import Hours, hours_from, hours_shape
from authz.policy.match import NO, NOT_ESTABLISHED, YES, Match
from authz.policy.parsing import RuleError, mapping, parse_time, texts, whole_number
from authz.policy.question import AccessQuestion
from authz.policy.unusual import Unusual, unusual_kinds

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# How far in the future (seconds) a sign-in may lie, since an issuer's clock may be ahead of ours.
CLOCK_SKEW = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """max_auth_age in seconds; not_before and not_after in seconds since the epoch (from, and up to but without)."""

    max_auth_age: int | None = None
    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    environments: tuple[str, ...] = ()
    not_before: float | None = None
    not_after: float | None = None
    hours: Hours | None = None
    arguments: tuple[ArgumentCondition, ...] = ()
    unusual: tuple[Unusual, ...] = ()
    extensions: tuple[ExtensionCondition, ...] = ()

    @property
    def are_of_calls(self) -> bool:
        """Whether any is about a call of a tool."""
        return bool(self.arguments or self.unusual)

    @classmethod
    def from_mapping(cls, data: object, field: str = "conditions") -> "Conditions":
        """Conditions from their shape in YAML or JSON. Raises RuleError."""
        given = {key: value for key, value in mapping(data, field, _FIELDS).items() if value is not None}
        read = cls(
            max_auth_age=whole_number(given["max_auth_age"], f"{field}.max_auth_age")
            if "max_auth_age" in given
            else None,
            acr=texts(given.get("acr", ()), f"{field}.acr"),
            amr=texts(given.get("amr", ()), f"{field}.amr"),
            networks=tuple(
                _network(network, f"{field}.networks[{position}]")
                for position, network in enumerate(texts(given.get("networks", ()), f"{field}.networks"))
            ),
            environments=texts(given.get("environments", ()), f"{field}.environments"),
            not_before=_parse_time(given, field, "not_before"),
            not_after=_parse_time(given, field, "not_after"),
            hours=hours_from(given["hours"], f"{field}.hours") if "hours" in given else None,
            arguments=argument_conditions(given.get("arguments", {}), f"{field}.arguments"),
            unusual=unusual_kinds(given.get("unusual", ()), f"{field}.unusual"),
            extensions=extension_conditions(given.get("extensions", {}), f"{field}.extensions"),
        )
        for name in ("acr", "amr", "environments"):
            for position, value in enumerate(getattr(read, name)):
                if "*" in value:
                    raise RuleError(f"{field}.{name}[{position}]", "is exact; to ask for nothing leave the field out.")
        if read.not_before is not None and read.not_after is not None and read.not_before >= read.not_after:
            raise RuleError(f"{field}.not_after", "must be later than not_before.")
        return read

    def to_mapping(self) -> dict[str, object]:
        """The shape that `from_mapping` reads, without the fields that ask for nothing."""
        found: dict[str, object] = {
            "max_auth_age": self.max_auth_age,
            "acr": list(self.acr),
            "amr": list(self.amr),
            "networks": [str(network) for network in self.networks],
            "environments": list(self.environments),
            "not_before": None if self.not_before is None else iso(self.not_before),
            "not_after": None if self.not_after is None else iso(self.not_after),
            "hours": None if self.hours is None else hours_shape(self.hours),
            "arguments": {condition.path: condition.to_mapping() for condition in self.arguments},
            "unusual": [kind.value for kind in self.unusual],
            "extensions": shape(self.extensions),
        }
        return {key: value for key, value in found.items() if value not in (None, [], {})}


UNCONDITIONAL = Conditions()

_FIELDS = (
    "max_auth_age",
    "acr",
    "amr",
    "networks",
    "environments",
    "not_before",
    "not_after",
    "hours",
    "arguments",
    "unusual",
    "extensions",
)


def match_circumstances(
    conditions: Conditions, question: AccessQuestion, now: float, in_force_at: float
) -> list[tuple[str, Match]]:
    """(field, match) of each condition that is set and isn't about the sign-in.

    `in_force_at` is the moment that the rule's validity is judged at; it differs from `now` only when a change is tried
    on past questions.
    """
    found: list[tuple[str, Match]] = []
    if conditions.not_before is not None:
        found.append(("not_before", YES if conditions.not_before <= in_force_at else NO))
    if conditions.not_after is not None:
        found.append(("not_after", YES if in_force_at < conditions.not_after else NO))
    if conditions.environments:
        found.append(("environments", _one_of(question.client_environment, conditions.environments)))
    if conditions.networks:
        found.append(("networks", _within(question.address, conditions.networks)))
    if conditions.hours is not None:
        found.append(("hours", YES if conditions.hours.include(now) else NO))
    if conditions.arguments and question.tool is not None:
        given = question.tool.arguments
        found.extend((f"arguments.{wanted.path}", wanted.match(given)) for wanted in conditions.arguments)
    if conditions.unusual and question.tool is not None:
        found.append(("unusual", _unusual(question.tool.unusual, conditions.unusual)))
    found.extend(
        (f"extensions.{wanted.identifier}", wanted.match(question.extensions)) for wanted in conditions.extensions
    )
    return found


def match_authentication(conditions: Conditions, question: AccessQuestion, now: float) -> list[tuple[str, Match]]:
    """(field, match) of each condition that is set and that a new sign-in could meet."""
    found: list[tuple[str, Match]] = []
    if conditions.acr:
        found.append(("acr", _one_of(question.acr, conditions.acr)))
    if conditions.amr:
        found.append(("amr", _methods(question.amr, conditions.amr)))
    if conditions.max_auth_age is not None:
        found.append(("max_auth_age", _recent(question.auth_time, conditions.max_auth_age, now)))
    return found


def iso(moment_: float) -> str:
    """A moment as ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment_, UTC).isoformat().replace("+00:00", "Z")


def _one_of(value: str | None, wanted: tuple[str, ...]) -> Match:
    if not value:
        return NOT_ESTABLISHED
    return YES if value in wanted else NO


def _unusual(found: frozenset[Unusual] | None, wanted: tuple[Unusual, ...]) -> Match:
    if found is None:
        return NOT_ESTABLISHED
    return YES if found.intersection(wanted) else NO


def _methods(used: tuple[str, ...], wanted: tuple[str, ...]) -> Match:
    shared = sum(method in used for method in wanted)
    if shared == len(wanted):
        return YES
    return NOT_ESTABLISHED if shared or not used else NO


def _recent(auth_time: float | None, max_auth_age: int, now: float) -> Match:
    if auth_time is None or auth_time > now + CLOCK_SKEW:
        return NOT_ESTABLISHED
    return YES if now - auth_time <= max_auth_age else NOT_ESTABLISHED


def _within(address: str | None, networks: tuple[Network, ...]) -> Match:
    known = parsed_address(address or "")
    if known is None:
        return NOT_ESTABLISHED
    return YES if any(known in network for network in networks) else NO


@lru_cache(maxsize=4096)
def parsed_address(address: str) -> Address | None:
    """The address, an IPv4 one also when it comes dressed as IPv6 (::ffff:192.0.2.1); None if it is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _parse_time(given: Mapping[str, object], field: str, name: str) -> float | None:
    if name not in given:
        return None
    return parse_time(given[name], f"{field}.{name}", end_of_day=name == "not_after")


def _network(value: str, field: str) -> Network:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise RuleError(field, f"is not a network in CIDR notation: {error}.") from None
    # Addresses dressed as IPv6 are undressed before they are compared, so such a network would never match.
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise RuleError(field, "must be written as an IPv4 network.")
    return network

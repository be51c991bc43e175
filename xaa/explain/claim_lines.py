"""Claim by claim, what this server makes of an assertion of an issuer: for administrators who set it up. Pure.

The rules themselves stand where assertions are judged; here is what each claim counts for, in words.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from authz.protocol.display_names import visible
from xaa.subjects import said_addresses, said_groups
from xaa.subjects.said_addresses import Unused
from xaa.subjects.said_groups import Silence
from xaa.trusted_issuers import Trust

MAX_VALUE = 300
MAX_LINES = 60


class Verdict(StrEnum):
    COUNTS = "counts"
    REFUSED = "refused"
    UNUSED = "not used"


@dataclass(frozen=True, slots=True)
class Line:
    """One claim: its value as JSON, shortened and made harmless; `""` where it is missed. `note` says what follows."""

    claim: str
    value: str
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The claims of one assertion, and by what they are looked at. `audiences`: those that mean this server or one of
    its agents. `now`: seconds since the epoch.
    """

    claims: Mapping[str, Any]
    trust: Trust
    audiences: Sequence[str]
    now: float

    @property
    def is_about_people(self) -> bool:
        return bool({"id-jag", "id_token"} & self.trust.accepts)


Look = Callable[[Seen, Any], tuple[Verdict, str]]

WHY_UNUSED = {
    Unused.UNVERIFIED: "No one is found by it: the issuer does not say that it has verified it (email_verified), and"
    " its word alone is not believed.",
    Unused.FOREIGN_DOMAIN: "No one is found by it: the issuer may not speak for addresses of this domain.",
    Unused.TENANT: "No one is found by it: the tenant is not named.",
    Unused.NOT_MATCHED: "No one is found by it: the issuer does not find people by their address.",
}
WHY_SILENT = {
    Silence.ABSENT: "The claim is not there: memberships stay as they are.",
    Silence.OVERAGE: "The issuer has moved the groups elsewhere, since there are too many: memberships stay as they"
    " are.",
    Silence.UNREADABLE: "It is not a list of names: memberships stay as they are.",
    Silence.TOO_MANY: "There are more than 200: memberships stay as they are.",
}


def lines(seen: Seen) -> list[Line]:
    """The claims that matter in their order, those that are missed among them; then the rest."""
    looks = _looks(seen)
    found = [_line(seen, claim, look) for claim, look in looks.items() if claim in seen.claims]
    others = sorted(str(name) for name in seen.claims if name not in looks)
    rest = [Line(visible(name)[:100], _shown(seen.claims[name]), Verdict.UNUSED) for name in others]
    return [*found, *_missed(seen), *rest][:MAX_LINES]


def _line(seen: Seen, claim: str, look: Look) -> Line:
    verdict, note = look(seen, seen.claims[claim])
    return Line(claim, _shown(seen.claims[claim]), verdict, note)


def _shown(value: object) -> str:
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = visible(said)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _looks(seen: Seen) -> dict[str, Look]:
    looks: dict[str, Look] = {
        "iss": _iss, "sub": _sub, "tenant": _tenant, "aud": _aud, "azp": _azp, "exp": _exp, "iat": _iat, "nbf": _nbf,
        "jti": _noted("Makes it good for one use."), "nonce": _noted("Ties it to one sign-in."),
        "client_id": _noted("The agent that may present it."), "resource": _noted("The MCP server that it is for."),
        "scope": _noted("At most these scopes."), "act": _noted("The actor, for the audit and for rules."),
    }  # fmt: skip
    if seen.is_about_people:
        looks |= {"email": _email, "email_verified": _noted("Decides whether the address counts.")}
        looks |= dict.fromkeys(
            ("auth_time", "acr", "amr"), _noted("How and when the person signed in: rules can ask for it.")
        )
    if seen.trust.groups_claim:
        looks[seen.trust.groups_claim] = _groups
    return looks


def _noted(note: str) -> Look:
    return lambda _seen, _value: (Verdict.COUNTS, note)


def _iss(seen: Seen, value: Any) -> tuple[Verdict, str]:
    if value == seen.trust.issuer:
        return Verdict.COUNTS, "This issuer, letter by letter."
    return Verdict.REFUSED, f"It has to be {seen.trust.issuer}, letter by letter."


def _sub(_seen: Seen, value: Any) -> tuple[Verdict, str]:
    if isinstance(value, str) and 0 < len(value) <= 255:
        return Verdict.COUNTS, "Who it is, at the issuer. Links go by it, whatever else changes."
    return Verdict.REFUSED, "It has to be a text of at most 255 characters."


def _tenant(seen: Seen, value: Any) -> tuple[Verdict, str]:
    if seen.trust.tenants and value not in seen.trust.tenants:
        return Verdict.REFUSED, f"Only these are believed: {', '.join(seen.trust.tenants)}."
    return Verdict.COUNTS, "People are told apart by it, too."


def _aud(seen: Seen, value: Any) -> tuple[Verdict, str]:
    named = value if isinstance(value, list) else [value]
    if any(audience in seen.audiences for audience in named):
        return Verdict.COUNTS, "It is for this server."
    return (
        Verdict.REFUSED,
        f"It is for someone else. It has to name {' or '.join(seen.audiences) or 'a known audience'}.",
    )


def _azp(seen: Seen, value: Any) -> tuple[Verdict, str]:
    if value in seen.audiences:
        return Verdict.COUNTS, "The client that asked for it."
    return Verdict.REFUSED, "Another client asked for it."


def _exp(seen: Seen, value: Any) -> tuple[Verdict, str]:
    left = _seconds(seen, value)
    if left is None:
        return Verdict.REFUSED, "It has to be a number of seconds."
    return (
        (Verdict.COUNTS, f"It expires in {left:.0f} s.")
        if left > 0
        else (Verdict.REFUSED, f"It expired {-left:.0f} s ago.")
    )


def _iat(seen: Seen, value: Any) -> tuple[Verdict, str]:
    left = _seconds(seen, value)
    if left is None:
        return Verdict.REFUSED, "It has to be a number of seconds."
    if left > 60:
        return Verdict.REFUSED, f"It is issued {left:.0f} s from now: the clocks disagree."
    return Verdict.COUNTS, f"Issued {max(0.0, -left):.0f} s ago."


def _nbf(seen: Seen, value: Any) -> tuple[Verdict, str]:
    left = _seconds(seen, value)
    is_so = left is not None and left <= 60
    return (Verdict.COUNTS, "It is good already.") if is_so else (Verdict.REFUSED, "It is not good yet.")


def _seconds(seen: Seen, value: Any) -> float | None:
    return value - seen.now if isinstance(value, int | float) and not isinstance(value, bool) else None


def _email(seen: Seen, _value: Any) -> tuple[Verdict, str]:
    trust = seen.trust
    said = said_addresses.read(seen.claims, is_trusted=trust.email_trusted, domains=trust.email_domains)
    if not said.text:
        return Verdict.UNUSED, "It is no address."
    unused = said.unused or (None if "email" in trust.match else Unused.NOT_MATCHED)
    tenant = seen.claims.get("tenant", "")
    if unused is None and tenant and tenant not in trust.tenants:
        unused = Unused.TENANT
    return (Verdict.UNUSED, WHY_UNUSED[unused]) if unused else (Verdict.COUNTS, "People are found by it.")


def _groups(seen: Seen, _value: Any) -> tuple[Verdict, str]:
    said = said_groups.read(seen.claims, seen.trust.groups_claim)
    if isinstance(said, Silence):
        return Verdict.UNUSED, WHY_SILENT[said]
    return Verdict.COUNTS, "The person's groups from this issuer."


def _missed(seen: Seen) -> Iterator[Line]:
    """What is configured to count, and is not there."""
    trust, claims = seen.trust, seen.claims
    for claim in ("iss", "sub", "aud", "exp"):
        if claim not in claims:
            yield Line(claim, "", Verdict.REFUSED, "It is missing.")
    if not seen.is_about_people:
        return
    if "email" in trust.match and "email" not in claims:
        yield Line(
            "email", "", Verdict.UNUSED, "It is missing. Ask for the scope “email”, or add the claim at the issuer."
        )
    if trust.groups_claim and trust.groups_claim not in claims:
        yield Line(trust.groups_claim, "", Verdict.UNUSED, WHY_SILENT[Silence.ABSENT])
    if trust.tenants and "tenant" not in claims:
        yield Line(
            "tenant", "", Verdict.REFUSED, f"It is missing. Only these are believed: {', '.join(trust.tenants)}."
        )

"""Client metadata (RFC 7591 §2) from somebody we do not know: judged member by member, and narrowed to what we keep.

The same judgement serves Client ID Metadata Documents and dynamic registration; they differ in `Terms`. A judgement is
a list of checks, so that whoever wrote the metadata can be told what the server thinks of it, and why. What cannot be
meant badly is narrowed away, not refused: a grant that the client cannot have, a scheme that policy does not allow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from authz.protocol import jwks as key_sets
from authz.protocol import redirect_uris, scopes
from authz.protocol.display_names import imitates_a_host, mixes_scripts, shortened, visible
from authz.protocol.errors import OAuthError

SHARED_SECRETS = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
PUBLIC_GRANT_TYPES = frozenset({"authorization_code", "refresh_token"})
# What a public client has only where an administrator names its document's host (docs/decisions/0051).
PUBLIC_BY_HOST = frozenset(
    {"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange"}
)
NO_REFRESH = (
    "It names no grant_types, which means authorization_code alone: no refresh token will come, and people sign in"
    " again when their access token has expired."
)
_HOW_TO_GIVE = (
    "a client that cannot authenticate has them only where an administrator names {host}: in public_exchange_hosts of"
    " cimd, or in public_clients of a trusted issuer"
)
MAX_REDIRECT_URIS = 32
MAX_URL = 1024

# The members that are read, and what a document says of itself.
_READ = frozenset(
    {
        *(
            "client_id",
            "client_name",
            "client_uri",
            "logo_uri",
            "redirect_uris",
            "grant_types",
            "response_types",
            "scope",
        ),
        *("token_endpoint_auth_method", "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg"),
        *("jwks", "jwks_uri"),
    }
)
# > scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) (RFC 6749 §3.3)


class Verdict(StrEnum):
    """What one check came to."""

    PASSED = "passed"
    NARROWED = "narrowed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: the member or rule, the verdict, and a sentence for whoever wrote the metadata."""

    name: str
    verdict: Verdict
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What this server offers a client of this kind. `auth_methods` begin with the strongest.

    `host` is the host that vouches for the client, `""` for none. `redirect_hosts` are host patterns beside it that
    https redirect URIs may be on; None: any host. `public_grant_types` are those of clients that cannot authenticate;
    `implied_grants` maps a grant type that the metadata lists to those that come with it.
    """

    grant_types: frozenset[str]
    auth_methods: Sequence[str]
    signing_algorithms: frozenset[str]
    default_auth_method: str
    required: frozenset[str]
    custom_schemes: frozenset[str] = frozenset()
    host: str = ""
    redirect_hosts: tuple[str, ...] | None = None
    public_grant_types: frozenset[str] = PUBLIC_GRANT_TYPES
    implied_grants: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """What is kept of a client's metadata. Empty strings and None stand for members that are absent."""

    client_name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    token_endpoint_auth_method: str
    scope: tuple[str, ...] | None
    client_uri: str
    logo_uri: str
    jwks: Mapping[str, Any] | None
    jwks_uri: str


@dataclass(frozen=True, slots=True)
class Validation:
    """`metadata` is None if any check refused. `hosts_left_out` are those of https redirect URIs that policy does not
    name."""

    metadata: ClientMetadata | None
    checks: tuple[Check, ...]
    hosts_left_out: tuple[str, ...] = ()

    @property
    def refusals(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.verdict is Verdict.REFUSED)


def validate(members: Mapping[str, Any], terms: Terms) -> Validation:
    """Validate a client's metadata. Members that RFC 7591 does not know are ignored, as it says."""
    reading = _Reading({name: value for name, value in members.items() if value is not None}, terms)
    method = reading.auth_method()
    grant_types = reading.grant_types(method)
    metadata = ClientMetadata(
        client_name=reading.client_name(),
        redirect_uris=reading.redirect_uris(grant_types),
        grant_types=grant_types,
        token_endpoint_auth_method=method,
        scope=reading.scope(),
        client_uri=reading.url("client_uri", same_host=True),
        logo_uri=reading.url("logo_uri"),
        jwks=reading.members.get("jwks") if method == "private_key_jwt" else None,
        jwks_uri=str(reading.members.get("jwks_uri", "")) if method == "private_key_jwt" else "",
    )
    # > The authorization server MUST ignore any client metadata sent by the client that it does not understand
    # > (RFC 7591 §2) Whoever mistyped a name is told.
    if ignored := sorted(reading.members.keys() - _READ):
        reading.passed("ignored", f"This server does not read {visible(', '.join(ignored))[:200]}.")
    is_refused = any(check.verdict is Verdict.REFUSED for check in reading.checks)
    return Validation(None if is_refused else metadata, tuple(reading.checks), tuple(reading.hosts_left_out))


class _Reading:
    """The members, the terms, and the checks so far."""

    def __init__(self, members: Mapping[str, Any], terms: Terms) -> None:
        self.members = members
        self.terms = terms
        self.checks: list[Check] = []
        self.hosts_left_out: dict[str, None] = {}

    def passed(self, name: str, explanation: str) -> None:
        self.checks.append(Check(name, Verdict.PASSED, explanation))

    def narrowed(self, name: str, explanation: str) -> None:
        self.checks.append(Check(name, Verdict.NARROWED, explanation))

    def refused(self, name: str, explanation: str) -> None:
        self.checks.append(Check(name, Verdict.REFUSED, explanation))

    def strings(self, name: str, default: list[str]) -> list[str] | None:
        """A member that is a list of strings; None (and refused) if it is something else."""
        value = self.members.get(name, default)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return list(dict.fromkeys(value))
        self.refused(name, "It must be a list of strings.")
        return None

    def client_name(self) -> str:
        name = self.members.get("client_name", "")
        if not isinstance(name, str):
            self.refused("client_name", "It must be a string.")
            return ""
        shown = visible(name)
        if not shown:
            if "client_name" in self.terms.required:
                self.refused("client_name", "It is required, so that people see whom they let in.")
            return ""
        # The host is what vouches for a client; its name must not look like another host's (attack 11).
        if self.terms.host and imitates_a_host(name, self.terms.host):
            self.narrowed(
                "client_name", "It looks like a URL or another host's name: people are shown the host instead."
            )
            return ""
        if mixes_scripts(name):
            self.narrowed("client_name", "It mixes letters of scripts that look alike: people are not shown it.")
            return ""
        if shown != name or len(shown) > len(shortened(shown)):
            self.narrowed(
                "client_name",
                f"“{shortened(shown)}”: it is shown on one line, shortened, with unseen characters spelt out.",
            )
        else:
            self.passed("client_name", f"“{shown}”")
        return shortened(shown)

    def redirect_uris(self, grant_types: tuple[str, ...]) -> tuple[str, ...]:
        uris = self.strings("redirect_uris", [])
        if uris is None:
            return ()
        if len(uris) > MAX_REDIRECT_URIS:
            self.refused("redirect_uris", f"There are more than {MAX_REDIRECT_URIS}.")
            return ()
        kept = [uri for uri in uris if self._keeps_redirect_uri(uri)]
        if kept:
            self.passed("redirect_uris", ", ".join(kept))
        # > Clients using flows with redirection MUST register their redirection URI values. (RFC 7591 §2)
        if not kept and "authorization_code" in grant_types:
            hosts = ", ".join(list(self.hosts_left_out)[:5])
            missing = f" Missing in redirect_hosts of cimd: {hosts}." if hosts else ""
            self.refused("redirect_uris", f"There is none that this server could send a person back to.{missing}")
        return tuple(kept)

    def _keeps_redirect_uri(self, uri: str) -> bool:
        problem = redirect_uris.problem(uri, custom_schemes=self.terms.custom_schemes)
        if problem is redirect_uris.Problem.SCHEME_NOT_ALLOWED:
            self.narrowed("redirect_uris", f"{visible(uri)}: {problem.sentence}")
            return False
        if problem is not None:
            self.refused("redirect_uris", f"{shortened(visible(uri))}: {problem.sentence}")
            return False
        shown = redirect_uris.display(uri)
        if shown.scheme == "https" and not self._is_allowed_host(shown.host):
            self.narrowed(
                "redirect_uris",
                f"{uri}: its host is neither the client's own nor one that policy allows. An administrator who knows"
                f" that {shown.host} belongs to the same product adds it to redirect_hosts of cimd.",
            )
            self.hosts_left_out[shown.host] = None
            return False
        return True

    def _is_allowed_host(self, host: str) -> bool:
        patterns = self.terms.redirect_hosts
        if patterns is None:
            return True
        own = (self.terms.host, f"*.{self.terms.host}")
        return any(matches_host(pattern, host) for pattern in (*own, *patterns))

    def grant_types(self, method: str) -> tuple[str, ...]:
        asked = self.strings("grant_types", ["authorization_code"])
        if asked is None:
            return ()
        # A client that cannot authenticate gets only what a person's browser vouches for.
        is_public = method == "none"
        offered = self.terms.grant_types & self.terms.public_grant_types if is_public else self.terms.grant_types
        implied = {also for grant_type in asked for also in self.terms.implied_grants.get(grant_type, ())}
        named = [*asked, *sorted(implied - set(asked))]
        kept = tuple(grant_type for grant_type in named if grant_type in offered)
        if dropped := [grant_type for grant_type in asked if grant_type not in offered]:
            left_out = f"Left out, since it cannot have them here: {visible(', '.join(dropped))[:200]}"
            if is_public and self.terms.host and PUBLIC_BY_HOST & self.terms.grant_types & set(dropped):
                left_out += f" ({_HOW_TO_GIVE.format(host=self.terms.host)})"
            self.narrowed("grant_types", left_out)
        if "grant_types" not in self.members and "refresh_token" in offered:
            # > If omitted, the default behavior is that the client will use only the "authorization_code" Grant Type.
            # > (RFC 7591 §2)
            self.narrowed("grant_types", NO_REFRESH)
        if not set(kept) - {"refresh_token"}:
            self.refused("grant_types", "There is none by which it could get a first token here.")
        elif not dropped:
            self.passed("grant_types", ", ".join(kept)[:500])
        response_types = self.strings("response_types", ["code"])
        # > the response_types and grant_types … SHOULD NOT … be inconsistent (RFC 7591 §2.1)
        if response_types is not None and "authorization_code" in kept and "code" not in response_types:
            self.refused("response_types", "The grant type authorization_code needs the response type code.")
        return kept

    def auth_method(self) -> str:
        """The declared method, or else the strongest of those that the client offers, if both sides can do it."""
        declared = self.members.get("token_endpoint_auth_method", "")
        choices = self.strings("token_endpoint_auth_methods_supported", [])
        if not isinstance(declared, str) or choices is None:
            self.refused("token_endpoint_auth_method", "It must be a string, and the choices a list of strings.")
            return self.terms.default_auth_method
        offered = [declared, *choices] if declared else choices or [self.terms.default_auth_method]
        strongest_first = sorted(self.terms.auth_methods, key=lambda method: method != declared)
        # > the token_endpoint_auth_method property MUST NOT include client_secret_post, client_secret_basic,
        # > client_secret_jwt, or any other method based around a shared symmetric secret (CIMD §4.1)
        if declared in SHARED_SECRETS and declared not in self.terms.auth_methods:
            self.refused("token_endpoint_auth_method", f"{declared} needs a shared secret, which cannot be published.")
            return self.terms.default_auth_method
        keys_problem = self._keys_problem()
        for method in strongest_first:
            if method not in offered or (method == "private_key_jwt" and keys_problem):
                continue
            if declared and method != declared:
                self.narrowed(
                    "token_endpoint_auth_method", f"{visible(declared)} is not usable here: {method} instead."
                )
            else:
                self.passed("token_endpoint_auth_method", method)
            return method
        problem = keys_problem if "private_key_jwt" in offered else "It is not supported here."
        self.refused("token_endpoint_auth_method", problem or "It is not supported here.")
        return self.terms.default_auth_method

    def _keys_problem(self) -> str:
        """Why private_key_jwt cannot be used with these keys; `""` if it can. Bad keys refuse the whole."""
        jwks, jwks_uri = self.members.get("jwks"), self.members.get("jwks_uri")
        # > The "jwks_uri" and "jwks" parameters MUST NOT both be present (RFC 7591 §2)
        if jwks is not None and jwks_uri is not None:
            self.refused("jwks", "jwks and jwks_uri must not both be present.")
            return "Its keys are ambiguous."
        algorithm = self.members.get("token_endpoint_auth_signing_alg")
        if algorithm is not None and str(algorithm) not in self.terms.signing_algorithms:
            return "Its token_endpoint_auth_signing_alg is not supported here."
        if jwks_uri is not None:
            return self._jwks_uri_problem(jwks_uri)
        if jwks is None:
            return "private_key_jwt needs jwks or jwks_uri."
        problem = key_sets.problem(jwks)
        if problem and isinstance(jwks, dict) and not key_sets.is_readable(jwks):
            # A private key in public is nobody's secret any more.
            self.refused("jwks", f"It {problem}.")
            return "Its keys cannot be used."
        return f"jwks {problem}." if problem else ""

    def _jwks_uri_problem(self, jwks_uri: object) -> str:
        if not isinstance(jwks_uri, str) or not is_web_url(jwks_uri):
            self.refused("jwks_uri", "It must be an https URL.")
            return "Its keys cannot be fetched."
        return ""

    def scope(self) -> tuple[str, ...] | None:
        scope = self.members.get("scope")
        if scope is None:
            return None
        try:
            names = scopes.parse(scope) if isinstance(scope, str) else None
        except OAuthError:
            names = None
        if names is None:
            self.refused("scope", "It must be a string of scopes separated by spaces.")
            return None
        if not names:
            return None
        self.passed("scope", scopes.join(names)[:200])
        return names

    def url(self, name: str, *, same_host: bool = False) -> str:
        """A page or picture of the client's: left out if it is not a plain https URL (attack 11)."""
        value = self.members.get(name, "")
        if value == "":
            return ""
        if not isinstance(value, str) or not is_web_url(value):
            self.narrowed(name, "It is not an https URL that this server would show or fetch: left out.")
            return ""
        if same_host and self.terms.host and not matches_host(self.terms.host, redirect_uris.display(value).host):
            self.narrowed(name, "It is on another host than the client: left out.")
            return ""
        self.passed(name, shortened(value))
        return value


def is_web_url(url: str) -> bool:
    """Whether `url` is an absolute https URL that every reader reads alike."""
    return len(url) <= MAX_URL and url.startswith("https://") and redirect_uris.problem(url) is None


def matches_host(pattern: str, host: str) -> bool:
    """Whether `host` is `pattern`, or under it where the pattern begins with `*.`. Neither has a port."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and host != pattern[1:]
    return bool(pattern) and host == pattern

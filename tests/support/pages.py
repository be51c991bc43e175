"""Every page that a person can open, read from the URL conf: so that no page is left untested.

`pages()` needs Django set up; what it gives are paths that the test client, a browser or the bench can open.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.utils import quote
from django.urls import URLPattern, get_resolver, reverse
from django.urls.resolvers import URLResolver

# Addresses of ours that show no page: they redirect, or answer with a file or with JSON.
NO_PAGE = frozenset(
    {
        "admin:login", "admin:logout", "admin:password_change", "admin:password_change_done", "admin:app_list",
        "admin:jsi18n", "admin:authz_auditevent_export", "admin:reach_matrix_export", "admin:rule_preview",
        "admin:suggest", "account_invitation",
        "admin:authz_auditdestination_checkpoint",
        "admin:authz_auditdestination_proof",
        "admin:authz_auditevent_save_view", "admin:xaa_trustedissuer_tested", "admin:connect_app_trust",
    }
)  # fmt: skip
# django-allauth's, in our templates. Its others are reached from a letter, or in the middle of signing in.
OF_ALLAUTH = (
    "account_login", "account_logout", "account_change_password", "account_reset_password", "account_inactive",
    "account_reset_password_done", "account_reset_password_from_key_done", "account_reauthenticate", "mfa_index",
    "mfa_activate_totp", "socialaccount_login_cancelled",
)  # fmt: skip
# What an address is about where its name does not begin with a model's.
ABOUT = {
    "switch_done": "authz_cutoff",
    "switch_undo": "authz_cutoff",
    "account_end_agent": "authz_client",
    "authz_rule_restore": "authz_rulechange",
    "replay": "authz_auditevent",
    "answer": "authz_auditevent",
    "authz_auditevent_forget_view": "authz_savedview",
    "account_request": "authz_accessrequest",
    "account_server": "authz_protectedresource",
    "account_decide": "authz_accessrequest",
}
ARGUMENTS = {
    "use": "people",
    "preset": "okta",
    "app": "claude",
    "provider": "0123456789ab",
    "what": "script",
    "to": "suspended",
    "alg": "ES256",
    "kind": "everything",
    "form": "csv",
    "token": "nothing",
}
# Besides the addresses themselves: what a query makes of a page.
ASKED = {
    "admin:index": ("?period=7d", "?period=30d"),
    "admin:story": ("?client_id=nightly-report",),
    "admin:simulator": ("?client_id=nightly-report&resource={resource}&grant_type=client_credentials",),
    "admin:who_reaches": ("?resource={resource}", "?client_id=nightly-report", "?username=bob"),
    "admin:reach_matrix": ("?o=most", "?o={resource}", "?for=itself&agent=nightly"),
    "admin:authz_client_changelist": ("?q=agent", "?status__exact=pending", "?kind=cimd"),
    "admin:authz_accessrequest_changelist": ("?status__exact=open",),
    "admin:authz_authorization_changelist": ("?state=live", "?q=agent"),
    "admin:authz_auditevent_changelist": (
        "?q=client:nightly-report", "?outcome=refused", "?outcome=done", "?period=1h", "?period=24h", "?period=7d",
        "?period=30d&outcome=refused", "?event=token:access:issued", "?event=configuration:object:created",
        "?reason=client_unknown", "?resource={resource}", "?q=request_id:nothing", "?q=nothing",
    ),
    "admin:authz_rule_changelist": ("?q=rule", "?effect__exact=deny"),
    "admin:authz_user_changelist": ("?q=a",),
    "admin:cimd_document_changelist": ("?state=waiting", "?state=failing"),
}  # fmt: skip


def patterns() -> Iterator[tuple[str, URLPattern]]:
    """Our own pages' addresses: (name, pattern)."""
    yield from _walk(get_resolver(), "")


def _walk(resolver: URLResolver, namespace: str) -> Iterator[tuple[str, URLPattern]]:
    for found in resolver.url_patterns:
        if isinstance(found, URLResolver):
            yield from _walk(found, found.namespace or namespace)
        elif found.name and (namespace == "admin" or found.name.startswith("account_") or found.name == "home"):
            yield f"{namespace}:{found.name}" if namespace else found.name, found


def pages(first: Any) -> dict[str, list[str]]:
    """name → paths. `first(label)` is the key of a row of a model, such as `authz_client`; None if there is none."""
    found: dict[str, list[str]] = {}
    for name, pattern in patterns():
        if name in NO_PAGE or _is_allauths(name, pattern):
            continue
        path = reverse(name, kwargs={argument: _value(name, argument, first) for argument in _arguments(pattern)})
        queries = [query.format(resource=first("resource")) for query in ASKED.get(name, ())]
        found[name] = [path, *(path + query for query in queries)]
    found |= {name: [reverse(name)] for name in OF_ALLAUTH}
    return found


def _is_allauths(name: str, pattern: URLPattern) -> bool:
    """Whether the address is allauth's, with its view or with ours in place of that."""
    from authz.sign_in.account_pages import OURS

    return name in OURS or not getattr(pattern.callback, "__module__", "").startswith(
        ("authz", "cimd", "xaa", "django.")
    )


def _arguments(pattern: URLPattern) -> list[str]:
    return list(pattern.pattern.converters) or list(pattern.pattern.regex.groupindex)


def _value(name: str, argument: str, first: Any) -> Any:
    if argument in ARGUMENTS:
        return ARGUMENTS[argument]
    short = name.rpartition(":")[2]
    key = first(ABOUT.get(short) or short.rpartition("_")[0])
    if key is None:
        raise LookupError(f"no row to open {name} with; see tests/support/everything.py")
    # The admin reads "_5F" in a key as one character, and a signing key's identifier may hold that by chance.
    return quote(key) if name.startswith("admin:") else key

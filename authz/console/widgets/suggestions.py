"""What a field suggests while a person types: a few values that begin with the text, or contain it."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.urls import reverse_lazy
from django.views.decorators.http import require_safe

from authz.console.refusing import one_of
from authz.console.site import console
from authz.console.widgets import servers
from authz.models import Client, ProtectedResource, Scope, User

SHOWN = 8
Pairs = list[tuple[str, str]]


def _agents(text: str) -> Pairs:
    rows = Client.objects.filter(Q(client_id__icontains=text) | Q(name__icontains=text)).order_by("client_id")
    return list(rows.values_list("client_id", "name")[:SHOWN])


def _people(text: str) -> Pairs:
    rows = User.objects.filter(Q(username__icontains=text) | Q(email__icontains=text)).order_by("username")
    return list(rows.values_list("username", "email")[:SHOWN])


def _groups(text: str) -> Pairs:
    return [(name, "") for name in Group.objects.filter(name__icontains=text).values_list("name", flat=True)[:SHOWN]]


def _resources(text: str) -> Pairs:
    rows = ProtectedResource.objects.filter(Q(identifier__icontains=text) | Q(name__icontains=text)).order_by("name")
    found = list(rows.values_list("identifier", "name")[:SHOWN])
    own = {identifier for identifier, _ in found}
    others = [(row.identifier, row.behind) for row in servers.elsewhere(text) if row.identifier not in own]
    return [*found, *others][:SHOWN]


def _scopes(text: str) -> Pairs:
    rows = Scope.objects.filter(name__icontains=text).order_by("name").values_list("name", "description")
    return list(dict(rows[: 4 * SHOWN]).items())[:SHOWN]


# What is suggested → (the permission to see such things, how they are found).
OF: Mapping[str, tuple[str, Callable[[str], Pairs]]] = {
    "agents": ("authz.view_rule", _agents),
    "people": ("authz.view_user", _people),
    "groups": ("authz.view_rule", _groups),
    "resources": ("authz.view_rule", _resources),
    "scopes": ("authz.view_protectedresource", _scopes),
}


@console.page("suggest/", "suggest")
@require_safe
def suggest(request: HttpRequest) -> JsonResponse:
    """`?of=agents&q=rep` → `{"found": [{"value": "nightly-report", "name": "Nightly report"}]}`. Raises
    `PermissionDenied`.
    """
    of = one_of(request, "of", OF)
    if not of:
        return JsonResponse({"found": []})
    permission, find = OF[of]
    if not request.user.has_perm(permission):
        raise PermissionDenied
    text = request.GET.get("q", "")[:200]
    found = find(text) if text else []
    return JsonResponse({"found": [{"value": value, "name": name} for value, name in found]})


def attributes(of: str, **more: Any) -> dict[str, Any]:
    """What makes a text field suggest (authz/static/gatehouse/suggest.js)."""
    return {"data-suggest": of, "data-suggest-from": reverse_lazy("admin:suggest"), "spellcheck": "false", **more}


def suggesting(field: forms.Field, of: str) -> None:
    """Let a form's field suggest. Without scripts it stays the text field that it is."""
    field.widget.attrs.update(attributes(of))

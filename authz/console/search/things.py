"""Agents, people, MCP servers, rules, groups, scopes and signing keys by their names and identifiers."""

from collections.abc import Iterator

from django.contrib.auth.models import Group
from django.db.models import Q

from authz.console.search.forms import uuid_of
from authz.console.search.hits import SHOWN, Hit, finder, page_of
from authz.models import AccessRequest, Authorization, Client, ProtectedResource, Rule, Scope, SigningKey, User
from authz.policy.near_miss import nearest_address
from authz.sign_in.roles import visible, visible_requests


@finder("authz.view_client")
def agents(text: str, viewer: User) -> Iterator[Hit]:
    rows = visible(viewer, Client.objects.filter(Q(client_id__icontains=text) | Q(name__icontains=text)))
    for row in rows.order_by("client_id")[:SHOWN]:
        exact = text in {row.client_id, row.name}
        yield Hit(
            kind="Agent",
            title=row.name or row.client_id,
            sub=row.client_id,
            url=page_of(row),
            is_exact=exact,
            ends=("client", row.client_id),
        )


@finder("authz.view_user")
def people(text: str, viewer: User) -> Iterator[Hit]:
    named = Q(username__icontains=text) | Q(email__icontains=text) | Q(first_name__icontains=text)
    rows = User.objects.filter(named | Q(last_name__icontains=text) | Q(subject=uuid_of(text))).order_by("username")
    for row in rows[:SHOWN]:
        exact = text.lower() in {row.username.lower(), row.email.lower(), str(row.subject)}
        yield Hit(
            kind="Person",
            title=row.username,
            sub=row.email,
            url=page_of(row),
            is_exact=exact,
            ends=("person", row.username),
        )


@finder("authz.view_protectedresource")
def servers(text: str, viewer: User) -> Iterator[Hit]:
    rows = ProtectedResource.objects.filter(Q(identifier__icontains=text) | Q(name__icontains=text)).order_by("name")
    found = list(rows[:SHOWN])
    if not found and "://" in text:
        identifiers = ProtectedResource.objects.values_list("identifier", flat=True)
        found = list(ProtectedResource.objects.filter(identifier=nearest_address(text, [*identifiers])))
    for row in found:
        exact = text in {row.identifier, row.name}
        title = row.name or row.identifier
        yield Hit(
            kind="MCP server",
            title=title,
            sub=row.identifier,
            url=page_of(row),
            is_exact=exact,
            ends=("resource", row.identifier),
        )


@finder("authz.view_protectedresource")
def scopes(text: str, viewer: User) -> Iterator[Hit]:
    for row in Scope.objects.filter(name__iexact=text).select_related("resource")[:SHOWN]:
        sub = f"at {row.resource}"
        yield Hit(kind="Scope", title=row.name, sub=sub, url=page_of(row.resource), is_exact=row.name == text)


@finder("authz.view_rule")
def rules(text: str, viewer: User) -> Iterator[Hit]:
    for row in Rule.objects.filter(name__icontains=text).order_by("name")[:SHOWN]:
        ends = None if row.effect == Rule.Effect.DENY else ("rule", str(row.pk))
        yield Hit(kind="Rule", title=row.name, url=page_of(row), is_exact=row.name == text, ends=ends)


@finder("auth.view_group")
def groups(text: str, viewer: User) -> Iterator[Hit]:
    for row in Group.objects.filter(name__icontains=text).order_by("name")[:SHOWN]:
        yield Hit(kind="Group", title=row.name, url=page_of(row), is_exact=row.name == text)


@finder("authz.view_signingkey")
def signing_keys(text: str, viewer: User) -> Iterator[Hit]:
    for row in SigningKey.objects.filter(kid=text):
        yield Hit(kind="Signing key", title=row.kid, sub=row.alg, url=page_of(row), is_exact=True)


@finder("authz.view_authorization")
def authorizations(text: str, viewer: User) -> Iterator[Hit]:
    pk = uuid_of(text)
    row = Authorization.objects.select_related("client", "user").filter(pk=pk).first() if pk else None
    if row is not None:
        who = f"{row.client.name or row.client.client_id} for {row.user.username if row.user else 'itself'}"
        ends = ("authorization", str(row.pk)) if row.revoked is None else None
        yield Hit(kind="Authorization", title=who, sub=text, url=page_of(row), is_exact=True, ends=ends)


@finder("authz.view_accessrequest")
def access_requests(text: str, viewer: User) -> Iterator[Hit]:
    pk = uuid_of(text)
    row = visible_requests(viewer, AccessRequest.objects.filter(pk=pk)).first() if pk else None
    if row is not None:
        yield Hit(kind="Access request", title=str(row), sub=text, url=page_of(row), is_exact=True)

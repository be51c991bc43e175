"""`/agents`: all clients of any kind, registering one's own, and its lifecycle."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from authz.api.framework import etags
from authz.api.framework.moments import moment_of
from authz.api.framework.paging import page
from authz.api.framework.problems import Problem, invalid
from authz.api.framework.shapes import (
    AGENT,
    ANY,
    MOMENT,
    PAGED,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    Parameter,
    mapping,
    one_of,
    paged,
)
from authz.api.framework.view import ApiView, MergePatch, StrictJson, principal_of, require
from authz.api.sections import merge
from authz.approvals.agent_lifecycle import Terms, change_status
from authz.client_auth.credentials import make_secret, new_client_id
from authz.configuration import By, revise
from authz.configuration.agent_items import agent_as_item, clients_section
from authz.configuration.clients import as_item
from authz.configuration.sections import items, presented
from authz.models import Client, User
from authz.models.client import FORMER_KINDS, KINDS, is_of_kind
from authz.protocol import redirect_uris
from authz.protocol.client_metadata import SECRET_METHODS
from authz.protocol.display_names import UNSEEN, has_unseen
from authz.sign_in.roles import APPROVE_AGENTS, CONFIGURE, visible

# Attributes that only an administrator sets, because rules refer to them (authz/clients/attributes.py).
CONFIGURABLE = {"environment": TEXT, "tags": TEXTS, "successor": TEXT_OR_NULL}
# Attributes that the person who registers an agent may set. Status, owner and secret are not among them.
REGISTRABLE = {
    "client_name": TEXT,
    "client_uri": TEXT,
    "grant_types": TEXTS,
    "token_endpoint_auth_method": TEXT,
    "jwks": ANY,
    "jwks_uri": TEXT,
    "redirect_uris": TEXTS,
    "post_logout_redirect_uris": TEXTS,
    "scope": TEXT,
}
ENVIRONMENT = 64
FILTERS = {"status": "status", "client_id": "client_id", "owner": "owner__username"}


def found(request: Request, pk: int) -> Client:
    """The agent, if the principal may see it; for all others it does not exist. Raises `Http404`."""
    row = (
        visible(principal_of(request).person, Client.objects.select_related("owner", "successor")).filter(pk=pk).first()
    )
    if row is None:
        raise Http404
    return row


class Agents(ApiView):
    """All agents that the caller may see. A POST registers one, which waits for approval."""

    requires = {"GET": "authz.view_client", "POST": "authz.add_client"}
    query = {
        "GET": {
            "status": Parameter("Only these.", one_of(Client.Status.values)),
            "kind": Parameter(
                "Only this kind, as in the answers; manual and dcr are former words for registered and dynamic.",
                one_of([*KINDS, *FORMER_KINDS]),
            ),
            "client_id": "This one.",
            "owner": "A user name.",
            **PAGED,
        }
    }
    takes = {"POST": mapping(client_id=TEXT, **REGISTRABLE, **CONFIGURABLE)}
    answers = {"GET": paged(AGENT), "POST": AGENT}
    statuses = {"POST": (201,)}

    def get(self, request: Request) -> Response:
        given = self.given
        rows = visible(principal_of(request).person, Client.objects.select_related("owner", "successor"))
        rows = rows.filter(**{FILTERS[name]: value for name, value in given.items() if name in FILTERS})
        if "kind" in given:
            rows = rows.filter(is_of_kind(given["kind"]))
        return page(given, rows, agent_as_item)

    def post(self, request: Request) -> Response:
        given = self.body(request)
        principal = principal_of(request)
        client_id = _own_words(request, given).get("client_id") or new_client_id()
        item = {**given, "client_id": client_id, "owner": principal.person.username if principal.person else None}
        secret = secrets.token_urlsafe(36)
        has_secret = str(item.get("token_endpoint_auth_method", "client_secret_basic")) in SECRET_METHODS
        if has_secret:
            item["client_secret"] = secret

        def registered(_: object) -> Mapping[str, Any]:
            # Any existing client, of any owner and kind: a registration never takes one over (attack 8).
            if Client.all_objects.filter(client_id=client_id).exists():
                raise Problem(409, "There is an agent of this client_id.")
            return item

        revise(clients_section(), client_id, registered, by=principal.by)
        client = Client.objects.select_related("owner", "successor").get(client_id=client_id)
        answer = {**agent_as_item(client), **({"client_secret": secret} if has_secret else {})}
        return Response(answer, status=201, headers={"Location": f"/api/v1/agents/{client.pk}"})


def _own_words(request: Request, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse values that only an administrator may write."""
    if CONFIGURABLE.keys() & given.keys():
        require(request, CONFIGURE)
    client_id = given.get("client_id", "")
    # An id that is a URL belongs to its document (attack 8).
    if not isinstance(client_id, str) or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in client_id):
        raise invalid("client_id", "is of letters, digits, “-”, “_” and “.” only")
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        uris = given.get(name, [])
        for index, uri in enumerate(uris if isinstance(uris, list) else ()):
            # Only an administrator may allow a private-use scheme, because another program may register it, too.
            problem = redirect_uris.problem(uri) if isinstance(uri, str) else None
            if problem is not None:
                raise invalid(f"{name}/{index}".replace("/", "."), problem.sentence)
    return given


class Agent(ApiView):
    """One agent. Its owner may change it until it is approved."""

    requires = {"GET": "authz.view_client", "PATCH": "authz.change_client"}
    takes = {"PATCH": mapping(**REGISTRABLE, **CONFIGURABLE)}
    answers = {"GET": AGENT, "PATCH": AGENT}
    parser_classes = (StrictJson, MergePatch)

    def get(self, request: Request, pk: int) -> Response:
        client = found(request, pk)
        return Response(agent_as_item(client), headers={"ETag": etags.etag(as_item(client))})

    def patch(self, request: Request, pk: int) -> Response:
        client, principal = found(request, pk), principal_of(request)
        given = _own_words(request, self.body(request))

        def changed(item: dict[str, Any] | None) -> Mapping[str, Any]:
            if item is None:
                raise Problem(409, "It has a metadata document or registered itself: change it there.")
            # Read again inside the transaction: an agent that was just approved is not changed.
            is_theirs = principal.person is not None and item["owner"] == principal.person.username
            if _is_developer(principal.person) and not (is_theirs and item["status"] == Client.Status.PENDING):
                raise Problem(403, "It is approved and cannot be changed. Register another one.")
            etags.check(request, item)
            merged: dict[str, Any] = merge(presented(clients_section(), item), given)
            return merged

        revise(clients_section(), client.client_id, changed, by=principal.by)
        after = items(clients_section(), client.client_id)[client.client_id]
        return Response(agent_as_item(found(request, pk)), headers={"ETag": etags.etag(after)})


def _is_developer(person: User | None) -> bool:
    return person is not None and person.role == User.Role.DEVELOPER


class AgentStatus(ApiView):
    """The lifecycle: pending → approved → suspended → retired. By a person, and never by the agent's owner."""

    to: ClassVar[str] = ""
    requires = {"POST": APPROVE_AGENTS}
    answers = {"POST": AGENT}

    def post(self, request: Request, pk: int) -> Response:
        client, principal = found(request, pk), principal_of(request)
        if principal.person is None:
            raise Problem(403, "Only a person may change an agent's status.")
        given = self.body(request) if self.takes else {}
        # > When an origin server receives a request that selects a representation and that request includes an If-Match
        # > header field, the origin server MUST evaluate the If-Match condition […] prior to performing the method.
        # > (RFC 9110 §13.1.1) So what is approved is what was read, and not what its owner made of it meanwhile.
        if request.META.get("HTTP_IF_MATCH"):
            etags.check(request, as_item(client))
        if not change_status(client, self.to, by=principal.person, now=datetime.now(UTC), terms=_terms(given)):
            raise Problem(409, f"From {client.status} it cannot become {self.to}, or another request was quicker.")
        return Response(agent_as_item(found(request, pk)))


class AgentApproval(AgentStatus):
    """Approve an agent, or renew its approval, with its owner, environment and end date."""

    to = Client.Status.APPROVED
    takes = {"POST": mapping(owner=TEXT, environment=TEXT, until=MOMENT)}


def _terms(given: Mapping[str, Any]) -> Terms:
    for name, value in given.items():
        if not isinstance(value, str):
            raise invalid(name, "is a text")
    owner = User.objects.filter(username=given["owner"]).first() if "owner" in given else None
    if "owner" in given and owner is None:
        raise invalid("owner", "is no user name")
    if len(given.get("environment", "")) > ENVIRONMENT:
        raise invalid("environment", f"has at most {ENVIRONMENT} characters")
    if has_unseen(given.get("environment") or ""):
        raise invalid("environment", UNSEEN)
    until = moment_of("until", given["until"]) if "until" in given else None
    return Terms(owner=owner, environment=given.get("environment"), until=until)


class AgentSecret(ApiView):
    """A new secret, shown once; it replaces the old one."""

    requires = {"POST": "authz.change_client"}
    answers = {"POST": mapping(client_id=TEXT, client_secret=TEXT)}

    def post(self, request: Request, pk: int) -> Response:
        client, principal = found(request, pk), principal_of(request)
        if client.kind == "cimd" or client.token_endpoint_auth_method not in SECRET_METHODS:
            raise Problem(409, "It does not authenticate with a secret.")
        by: By = principal.by
        return Response({"client_id": client.client_id, "client_secret": make_secret(client, by)})

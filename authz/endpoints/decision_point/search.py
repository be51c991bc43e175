"""The Search APIs: which subjects, resources or actions a question would be allowed for.

Resources that can be searched are those whose ids count in an evaluation: tools, and MCP servers. A caller learns of
its own MCP servers what it could find out by evaluating: the holders of live authorizations there, and the tools that
the organisation has described. Nothing that isn't its own is in a result, or counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.urls import path

from authz import audit, resources
from authz.endpoints.decision_point import decided
from authz.endpoints.decision_point.asked_call import TOOL
from authz.endpoints.decision_point.caller import Caller, authenticated, malformed
from authz.endpoints.decision_point.holder import IDENTITY, SERVER, USER, holder_of, server_named
from authz.endpoints.machine import Answer, Request, json_object, json_response, machine_endpoint
from authz.models import Authorization
from authz.protocol import authzen
from authz.protocol.authzen import Action, Entity, MalformedError, Search
from authz.protocol.numbers import number

# How many are evaluated for one page; who wants more asks for the next one.
MAX_EVALUATED = 500


def _searching(wanted: str, found: Any) -> Any:
    @machine_endpoint("POST", refused=audit.Event.DECISION_REFUSED, cors=False, echoes_id=True, name=f"search_{wanted}")
    def search(request: Request) -> Answer:
        body = json_object(request)
        caller = authenticated(request, body)
        try:
            asked = authzen.search(body, wanted)
            start = _start(asked)
            results, following = _page(asked, start, found(asked, caller, start))
        except MalformedError as problem:
            raise malformed(problem) from None
        audit.record(
            audit.Event.CALLS_SEARCHED,
            client_id=caller.client.client_id,
            detail={"for": wanted, "action": asked.question.action.name[:128], "found": len(results)},
        )
        return json_response({"page": {"next_token": following, "count": len(results)}, "results": results})

    return search


def _start(asked: Search) -> int:
    """Where the page begins: its token is a position among all candidates."""
    start = number(asked.token or "0", most=10**9)
    if start is None:
        raise MalformedError("page.token", "is not one of ours")
    return start


def _page(asked: Search, start: int, candidates: Iterable[dict[str, Any] | None]) -> tuple[list[dict[str, Any]], str]:
    """The results of one page, and the token of the next one; "" where there is none.

    `candidates` are evaluated one by one, from `start` on, and those that aren't allowed are None.
    """
    results: list[dict[str, Any]] = []
    for position, candidate in enumerate(candidates, start + 1):
        if candidate is not None and candidate not in results:
            results.append(candidate)
        if len(results) >= asked.limit or position - start >= MAX_EVALUATED:
            return results, str(position)
    return results, ""


def _subjects(asked: Search, caller: Caller, start: int) -> Iterator[dict[str, Any] | None]:
    """> any result from a Search API, when subsequently used in an Access Evaluation API call, SHOULD result in a
    > "decision": true response
    """
    server = server_named(asked.question, caller)
    if server is None or asked.question.subject.type not in (IDENTITY, USER):
        return
    # Attack: names of people, for a caller that is only told tokens.
    if caller.client.pk not in resources.claims_clients_of(server):
        return
    rows = Authorization.objects.filter(resource=server, revoked=None).select_related("client", "user")
    rows = rows.exclude(user=None) if asked.question.subject.type == USER else rows
    # Attack: a far page would be the evaluation of all before it.
    for row in rows.order_by("created", "pk")[start:].iterator():
        yield _if_holder(row, asked, caller)


def _if_holder(row: Authorization, asked: Search, caller: Caller) -> dict[str, Any] | None:
    kind = asked.question.subject.type
    who = row.client.client_id if row.user is None else row.user.username if kind == USER else str(row.user.subject)
    given = asked.question.subject.properties
    subject = Entity(type=kind, id=who, properties={**given, "authorization": str(row.pk)})
    return {"type": kind, "id": who} if _is_allowed(replace(asked.question, subject=subject), caller) else None


def _resources(asked: Search, caller: Caller, start: int) -> Iterator[dict[str, Any] | None]:
    """Tools and MCP servers. Of another domain's types nothing is found, as an evaluation of one is a `false`."""
    found = {TOOL: _tools, SERVER: _servers}.get(asked.question.resource.type)
    return found(asked, caller, start) if found else iter(())


def _servers(asked: Search, caller: Caller, start: int) -> Iterator[dict[str, Any] | None]:
    # The search names none of them by the resource itself; the subject's token or its `aud` may stand for one only.
    properties = {name: value for name, value in asked.question.resource.properties.items() if name != "server"}
    for row in sorted(caller.servers, key=lambda row: row.identifier)[start:]:
        resource = Entity(type=SERVER, id=row.identifier, properties=properties)
        judged = decided.judge(replace(asked.question, resource=resource), caller)
        is_there = judged.reason is None and judged.server is not None and judged.server.pk == row.pk
        yield {"type": SERVER, "id": row.identifier} if is_there else None


def _tools(asked: Search, caller: Caller, start: int) -> Iterator[dict[str, Any] | None]:
    found = holder_of(asked.question, caller)
    for name in resources.tools_of(found[1])[start:] if found else ():
        resource = replace(asked.question.resource, id=name)
        allowed = _is_allowed(replace(asked.question, resource=resource), caller)
        yield {"type": TOOL, "id": name} if allowed else None


def _actions(asked: Search, caller: Caller, start: int) -> Iterator[dict[str, Any] | None]:
    found = holder_of(asked.question, caller)
    kind = asked.question.resource.type
    if found is None:
        return
    # At a tool there is one action; at anything else the tools of the server are the actions.
    for name in (("tools/call",) if kind == TOOL else resources.tools_of(found[1]))[start:]:
        allowed = _is_allowed(replace(asked.question, action=Action(name=name)), caller)
        yield {"name": name} if allowed else None


def _is_allowed(question: authzen.Evaluation, caller: Caller) -> bool:
    return decided.judge(question, caller, roughly=True).reason is None


search_subject = _searching("subject", _subjects)
search_resource = _searching("resource", _resources)
search_action = _searching("action", _actions)
urlpatterns = [
    path("access/v1/search/subject", search_subject, name="search_subject"),
    path("access/v1/search/resource", search_resource, name="search_resource"),
    path("access/v1/search/action", search_action, name="search_action"),
]

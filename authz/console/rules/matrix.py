"""Who reaches what as a table: agents down, MCP servers across, people by group; each cell leads to its rules."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from authz import audit, decisions
from authz.audit.console_events import ConsoleEvent
from authz.console.model_admin import person
from authz.console.navigation import Place
from authz.console.refusing import one_of, read_number
from authz.console.site import console
from authz.console.widgets import exports, names
from authz.console.widgets.toolbar import Tool
from authz.database import configuration_cache
from authz.decisions import simulation
from authz.models import Client
from authz.policy import Agent, ClientStatus, Person, Server
from authz.policy.matrix import ITSELF, Cells, Part, cells, subjects

# Rows and columns of a page; agents whose reach is compared to sort by it; people of a cell.
ROWS, COLUMNS, COMPARED, PARTS = 50, 12, 1_000, 4
MOST = "most"
HEADER = ("agent", "client_id", "mcp_server", "identifier", "for", "now", "after_approval", "conditional")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What was asked for: the agents and servers that the filters leave, and the people that count."""

    agents: Sequence[Agent]
    servers: Sequence[Server]
    people: dict[str, Person]
    machines: bool
    keys: dict[str, int]
    agent_names: dict[str, str]
    server_names: dict[str, str]

    def cells(self, agents: Sequence[Agent], servers: Sequence[Server]) -> Cells:
        rules = decisions.cached_rules()
        return cells(rules, agents, self.people, servers, time.time(), machines=self.machines)

    def identifiers(self) -> list[str]:
        """The columns: a server that is ours and stands behind another authorization server, too, is one."""
        found = dict.fromkeys(server.identifier for server in self.servers)
        return sorted(found, key=lambda identifier: self.server_names.get(identifier, identifier).lower())


@console.page(
    "reach/matrix/",
    "reach_matrix",
    place=Place("Allow", "Who reaches what", "reach", tab="Table", order=2),
    permission="authz.view_rule",
)
def matrix(request: HttpRequest) -> HttpResponse:
    everyone = _people(request)
    table = _table(request, everyone)
    columns = Paginator(table.identifiers(), COLUMNS).get_page(read_number(request, "c") or 1)
    shown = [server for server in table.servers if server.identifier in set(columns)]
    order = one_of(request, "o", (MOST, *columns))
    rows, found, may_sort = _sorted(table, shown, order)
    page = Paginator(rows, ROWS).get_page(read_number(request, "p") or 1)
    found = found or table.cells(list(page), shown)
    kept = {name: request.GET[name] for name in ("agent", "server", "for") if request.GET.get(name)}
    export = f"{reverse('admin:reach_matrix_export')}?{urlencode(kept)}"
    context = {
        **console.each_context(request),
        "title": "Who reaches what",
        "tools": (Tool("Export CSV", export),),
        "columns": columns,
        "heads": [(name, table.server_names.get(name, name), _address(kept, columns, o=name)) for name in columns],
        "rows": [_row(table, agent, list(columns), found) for agent in page],
        "page": page,
        "order": order,
        "kept": kept,
        "by_name": _address(kept, columns),
        "by_most": _address(kept, columns, o=MOST),
        "may_sort": may_sort,
        "compared": COMPARED,
        "for_choices": [ITSELF, *everyone],
        "query": _address(kept, columns, o=order),
        "columns_query": _address(kept, None),
    }
    return TemplateResponse(request, "console/reach_matrix.html", context)


@console.page("reach/matrix.csv", "reach_matrix_export")
def export(request: HttpRequest) -> HttpResponse:
    """The table without its pages, a line for each agent, server and subject that reaches it; it is recorded."""
    table = _table(request, _people(request))
    audit.record(
        ConsoleEvent.REACH_EXPORTED,
        subject=str(person(request).subject),
        detail={"by": request.user.get_username(), "form": "csv", "query": request.GET.urlencode()[:2000]},
    )
    response = HttpResponse("".join(exports.csv_lines(HEADER, _lines(table))), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="gatehouse-reach.csv"'
    return response


def _people(request: HttpRequest) -> dict[str, Person]:
    if not request.user.has_perm("authz.view_rule"):
        raise PermissionDenied
    configuration_cache.begin()
    rules = decisions.cached_rules()
    return subjects(rules, simulation.persons(rules.users.keys() - {"*"}))


def _table(request: HttpRequest, everyone: dict[str, Person]) -> Table:
    chosen = one_of(request, "for", (ITSELF, *everyone))
    agents = [agent for agent in simulation.agents("", time.time()) if agent.status is ClientStatus.APPROVED]
    known = list(Client.objects.values_list("client_id", "name", "pk"))
    agent_names = {client_id: name for client_id, name, _ in known}
    servers = simulation.servers("", agents)
    server_names = names.of_servers(server.identifier for server in servers)
    of_agent, of_server = (request.GET.get(name, "").strip().lower() for name in ("agent", "server"))
    return Table(
        agents=[row for row in agents if of_agent in f"{agent_names.get(row.client_id, '')}\n{row.client_id}".lower()],
        servers=[
            row for row in servers if of_server in f"{server_names.get(row.identifier, '')}\n{row.identifier}".lower()
        ],
        people={name: person for name, person in everyone.items() if chosen in {"", name}},
        machines=chosen in {"", ITSELF},
        keys={client_id: key for client_id, _, key in known},
        agent_names=agent_names,
        server_names=server_names,
    )


def _sorted(table: Table, shown: Sequence[Server], order: str) -> tuple[list[Agent], Cells, bool]:
    """The agents in order, and their cells where the order needed them. By reach only while they are few enough."""
    by_name = sorted(table.agents, key=lambda row: (table.agent_names.get(row.client_id, "").lower(), row.client_id))
    if not order or len(by_name) > COMPARED:
        return by_name, {}, len(by_name) <= COMPARED
    wanted = table.servers if order == MOST else shown
    found = table.cells(by_name, wanted)
    columns = [order] if order != MOST else table.identifiers()
    weights = {row.client_id: _weight(found, row.client_id, columns) for row in by_name}
    return sorted(by_name, key=lambda row: weights[row.client_id], reverse=True), found, True


def _weight(found: Cells, client_id: str, columns: Sequence[str]) -> tuple[int, int]:
    """(servers in reach, scopes in all): what to look at first."""
    there = [found[client_id, identifier] for identifier in columns if (client_id, identifier) in found]
    return len(there), sum(len(part.scopes) for parts in there for part in parts)


def _row(table: Table, agent: Agent, columns: Sequence[str], found: Cells) -> dict[str, Any]:
    return {
        "client_id": agent.client_id,
        "name": table.agent_names.get(agent.client_id, ""),
        "pk": table.keys.get(agent.client_id),
        "cells": [
            {"label": table.server_names.get(name, name), **_cell(agent.client_id, name, found)} for name in columns
        ],
    }


def _cell(client_id: str, identifier: str, found: Cells) -> dict[str, Any]:
    parts = found.get((client_id, identifier), ())
    return {
        "url": f"{reverse('admin:who_reaches')}?{urlencode({'client_id': client_id, 'resource': identifier})}",
        "parts": [(part, _tone(part), _told(part)) for part in parts[:PARTS]],
        "more": max(len(parts) - PARTS, 0),
    }


def _tone(part: Part) -> str:
    return "good" if part.scopes else "caution" if part.waiting else ""


def _told(part: Part) -> str:
    """For the tooltip: `now: read write; after an approval: delete`."""
    levels = (
        (simulation.Level.GRANTED, part.scopes),
        (simulation.Level.WAITING, part.waiting),
        (simulation.Level.CONDITIONAL, part.conditional),
    )
    return "; ".join(f"{level}: {' '.join(scopes)}" for level, scopes in levels if scopes)


def _address(kept: dict[str, str], columns: Any, **more: str) -> str:
    page = {"c": str(columns.number)} if columns is not None and columns.number > 1 else {}
    return f"?{urlencode({**kept, **page, **{name: value for name, value in more.items() if value}})}"


def _lines(table: Table) -> Iterator[tuple[str, ...]]:
    columns = table.identifiers()
    found = table.cells(table.agents, table.servers)
    for agent in table.agents:
        for identifier in columns:
            for part in found.get((agent.client_id, identifier), ()):
                yield (
                    table.agent_names.get(agent.client_id, ""),
                    agent.client_id,
                    table.server_names.get(identifier, ""),
                    identifier,
                    part.subject,
                    *(" ".join(scopes) for scopes in (part.scopes, part.waiting, part.conditional)),
                )

"""Agents: every client, whether it was registered, registered itself, or has a metadata document."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache

from authz.approvals import succession
from authz.approvals.agent_lifecycle import MOVES, is_ones_own
from authz.audit import queries
from authz.clients.attributes import ORGANISATIONS
from authz.console.agents import access_request_form, answers, connect, narrowing, rejection, secret, status_change
from authz.console.agents.attention import AttentionFilter
from authz.console.agents.columns import AgentColumns, KindFilter
from authz.console.agents.form import AgentForm
from authz.console.agents.reach import reach
from authz.console.agents.status_change import CHANGES
from authz.console.audit import event_history
from authz.console.model_admin import ConsoleAdmin, person
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets import calls, names, unusual
from authz.console.widgets.toolbar import Tool
from authz.database import configuration_cache
from authz.extensions.panels import panels
from authz.models import AuditEvent, Authorization, Client, User
from authz.protocol.client_metadata import SECRET_METHODS
from authz.sign_in.roles import APPROVE_AGENTS, ASK, CONFIGURE, SIMULATE

Status = Client.Status
# So many of an agent's latest events are grouped on its page.
RECENT = 100
# What an administrator sets for an agent with a metadata document.
OF_THE_ORGANISATION = (
    "client_id",
    ("owner", "successor"),
    ("environment", "tags"),
    "scope",
    "reuse_assertions",
    "pending_answer",
)


@admin.register(Client, site=console)
class AgentAdmin(AgentColumns, ConsoleAdmin):
    place = Place("Connect", "Agents", "agent", order=1)
    introduction = (
        "Clients that ask for tokens: registered here, registered by themselves, or with a metadata document."
    )
    empty_text = "Add an agent. An agent with a metadata document appears here when it first asks."
    form = AgentForm
    change_form_template = "console/agent.html"
    list_display = ("agent", "status_text", "kind_text", "owner_name", "reaches", "last_seen")
    list_filter = ("status", KindFilter, AttentionFilter)
    list_select_related = ("owner",)
    search_fields = ("name", "client_id")
    search_help_text = "Name or client_id"
    ordering = ("-id",)
    actions = ("approve_selected", "narrow_selected", "suspend_selected", "retire_selected")

    fieldsets = (
        (None, {"fields": ("name", "client_id", ("owner", "successor"), ("environment", "tags"), "client_uri")}),
        ("Grants and scopes", {"fields": ("grant_types", "redirect_uris", "scope", "pending_answer")}),
        (
            "Client authentication",
            {
                "fields": (
                    *("token_endpoint_auth_method", "client_jwks", "client_jwks_uri", "reuse_assertions"),
                    ("dpop_bound_access_tokens", "require_pushed_authorization_requests"),
                )
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Client | None = None) -> Any:
        if obj is None or (obj.kind != "cimd" and self.has_change_permission(request, obj)):
            return super().get_fieldsets(request, obj)
        return (
            (None, {"fields": OF_THE_ORGANISATION}),
            (
                "From its metadata document",
                {
                    "fields": (
                        "name",
                        "client_uri",
                        "grants_text",
                        "redirects_text",
                        "token_endpoint_auth_method",
                        "keys_text",
                    )
                },
            ),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        queryset = super().get_queryset(request)
        if person(request).role == User.Role.DEVELOPER:
            queryset = queryset.filter(owner=person(request))
        theirs = AuditEvent.objects.exclude(client_id="").filter(client_id=OuterRef("client_id"))
        latest = Subquery(theirs.order_by("-id").values("time")[:1])
        rows: QuerySet[Client] = queryset.annotate(last_event=latest)
        return rows

    def waiting(self, request: HttpRequest) -> int:
        """How many agents wait for an approval, for the navigation."""
        if not request.user.has_perm(APPROVE_AGENTS):
            return 0
        return Client.objects.filter(status=Status.PENDING)[:100].count()

    # --- the form

    # A read-only field is not in the form. A field that is only hidden could be posted.
    OF_THE_DOCUMENT = (
        "name",
        "client_id",
        "client_uri",
        "grant_types",
        "redirect_uris",
        "token_endpoint_auth_method",
        "client_jwks",
        "client_jwks_uri",
    )
    SHOWN = ("grants_text", "redirects_text", "keys_text")

    def get_form(self, request: HttpRequest, obj: Client | None = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.may_name_schemes = request.user.has_perm(CONFIGURE)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Client | None = None) -> tuple[str, ...]:
        fields = self._of_the_page(request, obj)
        if request.user.has_perm(CONFIGURE):
            return fields
        # Rules refer to them, so only people who may configure set them (authz/clients/attributes.py).
        return tuple(dict.fromkeys((*fields, *sorted(ORGANISATIONS.intersection(AgentForm.Meta.fields)))))

    def _of_the_page(self, request: HttpRequest, obj: Client | None) -> tuple[str, ...]:
        if obj is None:
            return ()
        if obj.kind == "cimd":
            # What its metadata document says is changed in the document.
            return (*self.OF_THE_DOCUMENT, *self.SHOWN, *self._of_the_approval(obj))
        if not self.has_change_permission(request, obj):
            return ("client_id", *self.SHOWN)
        return ("client_id", *self._of_the_approval(obj))

    def _of_the_approval(self, obj: Client) -> tuple[str, ...]:
        # The environment that it was approved for changes with the next approval.
        return ("environment",) if obj.status == Status.APPROVED else ()

    def has_change_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        if not super().has_change_permission(request, obj):
            return False
        # A developer may change an agent until it is approved. Afterwards it stays what was approved.
        developer = person(request).role == User.Role.DEVELOPER
        return obj is None or not developer or (obj.owner_id == request.user.pk and obj.status == Status.PENDING)

    def has_delete_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        # An agent is retired instead: the audit refers to it.
        return False

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        if not change and person(request).role == User.Role.DEVELOPER:
            obj.owner = person(request)
            obj.status = Status.PENDING
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Client, post_url_continue: str | None = None) -> HttpResponse:
        if obj.token_endpoint_auth_method in SECRET_METHODS:
            messages.success(request, "The agent is registered. It needs a secret now.")
            return HttpResponseRedirect(reverse("admin:authz_client_secret", args=[obj.pk]))
        return HttpResponseRedirect(reverse("admin:authz_client_change", args=[obj.pk]))

    def tools(self, request: HttpRequest, obj: Client | None) -> Sequence[Tool]:
        if obj is None:
            return ()
        found = [*self._status_tools(request, obj)]
        if obj.kind != "cimd":
            url = reverse("admin:authz_client_connect", args=[obj.pk])
            found.append(Tool("Connect", url, in_menu=obj.status != Status.PENDING))
        if request.user.has_perm(ASK) and obj.status == Status.APPROVED:
            found.append(Tool("Ask for access", reverse("admin:authz_client_ask", args=[obj.pk]), in_menu=True))
        found += calls.link(request, client_id=obj.client_id, in_menu=True)
        if secret.may_make_secret(request, obj):
            found.append(Tool("New secret", reverse("admin:authz_client_secret", args=[obj.pk]), in_menu=True))
        return found

    def _add_tool(self, request: HttpRequest) -> tuple[Tool, ...]:
        # First by what it is; the whole form is a link on that page.
        return (Tool("Add agent", reverse("admin:add_agent"), ""),) if self.has_add_permission(request) else ()

    @staticmethod
    def _status_tools(request: HttpRequest, obj: Client) -> Iterator[Tool]:
        if not request.user.has_perm(APPROVE_AGENTS):
            return
        for to in CHANGES:
            renews = to == obj.status == Status.APPROVED
            if (obj.status in MOVES[to] or renews) and not is_ones_own(obj, to, person(request)):
                url = reverse("admin:authz_client_switch", args=[obj.pk, to])
                style = "" if to == Status.APPROVED and not renews else "plain"
                title = "Renew" if renews else CHANGES[to][0]
                yield Tool(title, url, style, in_menu=to == Status.RETIRED)
        if obj.status == Status.PENDING:
            yield Tool("Reject", reverse("admin:authz_client_reject", args=[obj.pk]), in_menu=True)

    def cut_off_as(self, obj: Client) -> tuple[str, str] | None:
        return "client", obj.client_id

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        configuration_cache.begin()
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            called = names.of_most_servers()
            for client in response.context_data["cl"].result_list:
                client.server_names = called
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        client = self.get_object(request, object_id)
        if client is not None:
            context |= {
                "client": client,
                "live_authorizations": Authorization.objects.filter(client=client, revoked=None)
                .select_related("user", "resource")
                .order_by("-created")[:8],
                "server_names": names.of_most_servers(),
                "recent_events": event_history.chapters(list(queries.about("client_id", client.client_id)[:RECENT]))[:8]
                if request.user.has_perm("authz.view_auditevent")
                else (),
                **unusual.panel(request, client),
                "extension_panels": panels("agent", {"client_id": client.client_id, "name": client.name}),
                "answers": None if request.user.has_perm("authz.view_auditevent") else answers.of(client),
                "may_simulate": request.user.has_perm(SIMULATE),
                "reach": reach(client) if request.user.has_perm("authz.view_rule") else None,
                "status_chip": self.status_chip(client),
                "last_event": getattr(client, "last_event", None),
                "suspended_from": succession.suspended_from(client),
                "kind": self.kind_text(client),
            }
        return super().change_view(request, object_id, form_url, context)

    # --- the status and the secret

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/switch/<str:to>/", wrap(self.status_view), name="authz_client_switch"),
            path("<int:pk>/ask/", wrap(never_cache(access_request_form.ask)), name="authz_client_ask"),
            path("<int:pk>/connect/", wrap(never_cache(self.connect_view)), name="authz_client_connect"),
            path("<int:pk>/reject/", wrap(self.reject_view), name="authz_client_reject"),
            path("<int:pk>/secret/", wrap(never_cache(self.secret_view)), name="authz_client_secret"),
            *super().get_urls(),
        ]

    def status_view(self, request: HttpRequest, pk: int, to: str) -> HttpResponse:
        return status_change.change_one(request, self.get_queryset(request), pk, to)

    def connect_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return connect.view(request, self.get_queryset(request), pk)

    def reject_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return rejection.reject(request, self.get_queryset(request), pk)

    def secret_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return secret.make(request, self.get_queryset(request), pk)

    @admin.action(description="Approve or renew", permissions=["approve"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        return status_change.change_selected(request, queryset, Status.APPROVED)

    @admin.action(description="Suspend", permissions=["approve"])
    def suspend_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        return status_change.change_selected(request, queryset, Status.SUSPENDED)

    @admin.action(description="Retire", permissions=["approve"])
    def retire_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        return status_change.change_selected(request, queryset, Status.RETIRED)

    @admin.action(description="Narrow", permissions=["approve"])
    def narrow_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        return narrowing.narrow_selected(request, queryset)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(APPROVE_AGENTS)

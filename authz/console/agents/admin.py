"""Agents: every client, however it came to be known, and the switch above it."""

import secrets
import string
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz import audit, outbound, registry
from authz.approvals import agent_lifecycle
from authz.approvals.agent_lifecycle import MOVES, OWN, is_ones_own, switch
from authz.audit import queries
from authz.audit.console_events import Event
from authz.clients import identifiers
from authz.clients.attributes import ORGANISATIONS
from authz.configuration import By
from authz.console.agents import access_request_form, narrowing
from authz.console.agents.approval_form import ApprovalForm
from authz.console.agents.attention import AttentionFilter
from authz.console.agents.reach import reach, reach_in_short
from authz.console.audit import event_history
from authz.console.model_admin import ConsoleAdmin, Form, Tool, person
from authz.console.site import console
from authz.console.widgets import names
from authz.console.widgets.display import STATUS_TONES, chip, foreign, grant_label, method_label, when
from authz.console.widgets.fields import KeyField, KeysField, LinesField, PersonField, ShownField
from authz.database import configuration_cache
from authz.database.transactions import unit_of_work
from authz.decisions import rule_history
from authz.limits.refused_pages import record_refused_page
from authz.models import AuditEvent, Authorization, Client, User
from authz.protocol import jwts, redirect_uris
from authz.protocol.display_names import UNSEEN, has_unseen
from authz.protocol.errors import Reason
from authz.sign_in import form_binding
from authz.sign_in.roles import APPROVE_AGENTS, ASK, CONFIGURE

Status = Client.Status
APPROVAL = "approve agents"
SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post"})
# What the switch says: target status → the button, and what follows from it.
SWITCH = {
    Status.APPROVED: (
        "Approve",
        "It may ask for tokens until its approval ends. What it gets is decided by the rules.",
    ),
    Status.SUSPENDED: (
        "Suspend",
        "It gets no more tokens, and introspection calls the ones it holds inactive. What people allowed it stays, for"
        " the day you approve it again.",
    ),
    Status.RETIRED: ("Retire", "It gets no more tokens, and everything that people allowed it ends for good."),
}
# Of an agent's latest events so many are told on its page, the same ones in a line.
RECENT = 100
DONE = {Status.APPROVED: "approved", Status.SUSPENDED: "suspended", Status.RETIRED: "retired"}


def make_secret(client: Client, by: By) -> str:
    """A new secret, instead of the one before; this is the only time that it can be read."""
    secret = secrets.token_urlsafe(36)
    with unit_of_work():
        client.set_secret(secret)
        client.save(update_fields=["secret_digest"])
        audit.record(Event.AGENT_SECRET_MADE, client_id=client.client_id, subject=by.subject, detail={"by": by.name})
    return secret


def new_client_id() -> str:
    """Of characters that no percent-encoding touches (interop 4)."""
    return "agent-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(20))


def _to_approve(clients: Sequence[Client]) -> tuple[object, ...]:
    """What the page of an approval shows, with the version of the rules that say what the agents would get."""
    return (rule_history.number(), [form_binding.client_to_approve(client) for client in clients])


class AgentForm(Form):
    name = ShownField(max_length=255, help_text="What people read on the consent page.")
    client_id = forms.CharField(
        max_length=255, required=False, help_text="Left empty, one is made. It never changes afterwards."
    )
    owner = PersonField(required=False, help_text="A user name: who answers for it.")
    environment = KeyField(max_length=64, required=False, help_text="What it is approved for.")
    grant_types = forms.MultipleChoiceField(
        choices=(), widget=forms.CheckboxSelectMultiple, help_text="How it may ask for tokens."
    )
    token_endpoint_auth_method = forms.ChoiceField(choices=(), label="How it proves who it is")
    redirect_uris = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3}),
        label="Redirect URIs",
        help_text="One a line, for agents that sign people in. Loopback ones match any port.",
    )
    client_jwks = KeysField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 5, "data-keypair": ""}),
        label="Public keys (JWKS)",
        help_text="For private_key_jwt: the public half only. Paste it, or let this browser make a pair.",
    )
    client_jwks_uri = forms.CharField(
        required=False,
        max_length=1024,
        label="Or the address of its JWKS",
        help_text="For private_key_jwt: an https URL.",
    )
    scope = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3}),
        label="At most these scopes",
        help_text="One a line. Left empty: whatever the rules allow.",
    )
    tags = LinesField(
        required=False, widget=forms.TextInput(), help_text="Words, separated by spaces. Rules can name them."
    )

    class Meta:
        model = Client
        fields = (
            "name", "client_id", "owner", "environment", "tags", "client_uri", "grant_types", "redirect_uris",
            "token_endpoint_auth_method", "client_jwks", "client_jwks_uri", "reuse_assertions", "scope",
        )  # fmt: skip
        labels: ClassVar = {
            "client_uri": "Home page",
            "reuse_assertions": "May use one client assertion several times",
            "token_endpoint_auth_method": "How it proves who it is",
            "client_jwks_uri": "Address of its JWKS",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, choices, label in (
            ("grant_types", registry.grants(), grant_label),
            ("token_endpoint_auth_method", registry.client_auth_methods(), method_label),
        ):
            if field in self.fields:
                self.fields[field].choices = [(name, label(name)) for name in choices]  # type: ignore[attr-defined]
        for field, value in (("name", self.instance.name), ("grant_types", self.instance.grant_types)):
            # The configuration file may leave them out, and then the form does not ask for more.
            if field in self.fields and self.instance.pk and not value:
                self.fields[field].required = False
        if "tags" in self.fields and isinstance(self.initial.get("tags"), list):
            self.initial["tags"] = " ".join(self.initial["tags"])

    def clean_client_id(self) -> str:
        client_id = self.cleaned_data["client_id"] or new_client_id()
        # An id that is a URL belongs to its document: a registration must not take one over (attack 8).
        if not all(character in string.ascii_letters + string.digits + "-_." for character in client_id):
            raise forms.ValidationError("Letters, digits, “-”, “_” and “.” only.")
        if problem := identifiers.client_id_problem(client_id):
            raise forms.ValidationError(f"It {problem}.")
        if Client.all_objects.filter(client_id=client_id).exclude(ended=None).exists():
            raise forms.ValidationError("An agent of this client_id was removed, and tokens named it. Take another.")
        return str(client_id)

    # Whether a private-use scheme is this person's to allow: any other program may answer to it.
    may_name_schemes = False

    def clean_redirect_uris(self) -> str:
        uris, known = self.cleaned_data["redirect_uris"].split(), set(self.instance.redirect_uri_list)
        for uri in uris:
            # What the configuration file has written down stays, whoever changes something else.
            schemes = {redirect_uris.scheme_of(uri)} if self.may_name_schemes or uri in known else set()
            if problem := redirect_uris.problem(uri, custom_schemes=frozenset(schemes)):
                raise forms.ValidationError(f"{uri[:200]}: {problem.sentence}")
        return "\n".join(uris)

    def clean_tags(self) -> list[str]:
        if any(has_unseen(tag) for tag in self.cleaned_data["tags"]):
            raise forms.ValidationError(f"One {UNSEEN}.")
        # A tag of the configuration file may have a space in it, which this field cannot show.
        given: list[str] = self.cleaned_data["tags"]
        return self.instance.tags if given == " ".join(self.instance.tags).split() else given

    def clean_scope(self) -> list[str] | None:
        # An empty list would mean no scope at all.
        return self.cleaned_data["scope"] or None

    def clean_client_jwks(self) -> Any:
        value = self.cleaned_data["client_jwks"]
        if value is None:
            return None
        try:
            found = jwts.keys_from_jwks(value)
        except jwts.JwtError as error:
            raise forms.ValidationError(
                "Not a usable set of public keys. Private and symmetric keys are never taken."
            ) from error
        if not found:
            raise forms.ValidationError("There is no key in it that can verify a signature.")
        return value

    def clean_client_jwks_uri(self) -> str:
        value = str(self.cleaned_data["client_jwks_uri"])
        # What the configuration file has written down stays, whoever changes something else.
        if (
            value
            and value != self.instance.client_jwks_uri
            and not outbound.is_fetchable(value, outbound.Role.CLIENT_KEYS)
        ):
            raise forms.ValidationError("It must be an https URL.")
        return value

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        method = cleaned.get("token_endpoint_auth_method", self.instance.token_endpoint_auth_method)
        grants = cleaned.get("grant_types") or []
        has_key_errors = {"client_jwks", "client_jwks_uri"} & set(self.errors)
        has_one = bool(cleaned.get("client_jwks")) != bool(cleaned.get("client_jwks_uri"))
        if method == "private_key_jwt" and "client_jwks" in self.fields and not has_one and not has_key_errors:
            self.add_error("client_jwks", "private_key_jwt needs either its keys or their address.")
        if "authorization_code" in grants and not cleaned.get("redirect_uris") and "redirect_uris" not in self.errors:
            self.add_error("redirect_uris", "The authorization code grant needs at least one.")
        # > The client credentials grant type MUST only be used by confidential clients. (RFC 6749 §4.4)
        if "client_credentials" in grants and method == "none":
            self.add_error(
                "token_endpoint_auth_method", "The client credentials grant needs an agent that proves who it is."
            )
        return cleaned


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"
    KINDS = (("manual", "Registered"), ("dcr", "Registered itself"), ("cimd", "By its document (CIMD)"))

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return self.KINDS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        return queryset.filter(registration_source=self.value()) if self.value() else queryset


@admin.register(Client, site=console)
class AgentAdmin(ConsoleAdmin):
    nav = ("Access", "agent")
    introduction = (
        "Everything that asks for tokens: programs that you registered, that registered themselves, and that introduce"
        " themselves by a document."
    )
    empty_text = "Add an agent, or let one introduce itself by its metadata document."
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
        (None, {"fields": ("name", "client_id", "owner", ("environment", "tags"), "client_uri")}),
        ("How it gets tokens", {"fields": ("grant_types", "redirect_uris", "scope")}),
        (
            "How it proves who it is",
            {"fields": ("token_endpoint_auth_method", "client_jwks", "client_jwks_uri", "reuse_assertions")},
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Client | None = None) -> Any:
        if obj is None or (obj.kind != "cimd" and self.has_change_permission(request, obj)):
            return super().get_fieldsets(request, obj)
        return (
            (None, {"fields": ("client_id", "owner", ("environment", "tags"), "scope", "reuse_assertions")}),
            (
                "What it says of itself",
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

    @admin.display(description="How it asks for tokens")
    def grants_text(self, client: Client) -> str:
        grants = ", ".join(client.grant_types)
        if client.is_confidential or not registry.public_grants(client.host).intersection(client.grant_types):
            return grants
        # It proves nothing, and has them all the same: who reviews an agent is told on whose word.
        return f"{grants} – without a secret of its own, since an administrator has named the host {client.host}"

    @admin.display(description="Redirect URIs")
    def redirects_text(self, client: Client) -> SafeString | str:
        return format_html_join("", "<code>{}</code><br>", ((uri,) for uri in client.redirect_uri_list)) or "—"

    @admin.display(description="Its keys")
    def keys_text(self, client: Client) -> str:
        inline = (client.client_jwks or {}).get("keys", [])
        return client.client_jwks_uri or (f"{len(inline)} registered here" if inline else "—")

    # --- the list

    @admin.display(description="agent", ordering="name")
    def agent(self, client: Client) -> SafeString:
        return foreign(client.name or client.client_id, sub=client.host or client.client_id)

    @admin.display(description="status", ordering="status")
    def status_chip(self, client: Client) -> SafeString:
        if client.status == Status.APPROVED and not client.is_approved(time.time()):
            return chip("Approval ended", "bad")
        return chip(client.get_status_display(), STATUS_TONES[client.status])

    @admin.display(description="status", ordering="approved_until")
    def status_text(self, client: Client) -> SafeString:
        if client.status != Status.APPROVED or client.approved_until is None:
            return self.status_chip(client)
        is_over = client.approved_until <= datetime.now(UTC)
        return format_html(
            '{}<span class="sub">{} {}</span>',
            self.status_chip(client),
            "ended" if is_over else "ends",
            when(client.approved_until),
        )

    @admin.display(description="kind")
    def kind_text(self, client: Client) -> str:
        return {
            "registered": "Registered",
            "dynamic": "Registered itself",
            "cimd": "By its document",
            "workload": "Workload",
        }[client.kind]

    @admin.display(description="owner", ordering="owner__username")
    def owner_name(self, client: Client) -> SafeString:
        if client.owner is None:
            name = format_html('<span class="soft">{}</span>', "nobody")
        else:
            left = "" if client.owner.is_active else " (left)"
            name = format_html("<bdi>{}</bdi>{}", client.owner.username, left)
        return format_html(
            '{}<span class="sub"><bdi class="foreign one-line">{}</bdi></span>', name, client.environment
        )

    @admin.display(description="may reach")
    def reaches(self, client: Any) -> SafeString | str:
        return reach_in_short(client, client.server_names)

    @admin.display(description="last seen")
    def last_seen(self, client: Any) -> SafeString | str:
        return when(client.last_event)

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

    # Read-only keeps a field out of the form; leaving it out of the page alone would not.
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
        # Rules refer to them, so they are not for who registers an agent to say (authz/clients/attributes.py).
        return tuple(dict.fromkeys((*fields, *sorted(ORGANISATIONS.intersection(AgentForm.Meta.fields)))))

    def _of_the_page(self, request: HttpRequest, obj: Client | None) -> tuple[str, ...]:
        if obj is None:
            return ()
        if obj.kind == "cimd":
            # What its document says is changed in its document.
            return (*self.OF_THE_DOCUMENT, *self.SHOWN, *self._of_the_approval(obj))
        if not self.has_change_permission(request, obj):
            return ("client_id", *self.SHOWN)
        return ("client_id", *self._of_the_approval(obj))

    def _of_the_approval(self, obj: Client) -> tuple[str, ...]:
        # What it was approved for changes with the next approval.
        return ("environment",) if obj.status == Status.APPROVED else ()

    def has_change_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        if not super().has_change_permission(request, obj):
            return False
        # A developer shapes an agent until somebody has approved it: afterwards it is what was approved.
        developer = person(request).role == User.Role.DEVELOPER
        return obj is None or not developer or (obj.owner_id == request.user.pk and obj.status == Status.PENDING)

    def has_delete_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        # Retiring keeps what the audit points at.
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
        found = []
        if request.user.has_perm(APPROVE_AGENTS):
            found = [
                Tool(
                    "Renew" if to == obj.status else SWITCH[to][0],
                    reverse("admin:authz_client_switch", args=[obj.pk, to]),
                    "" if to == Status.APPROVED else "danger" if to == Status.RETIRED else "plain",
                )
                for to in SWITCH
                if (obj.status in MOVES[to] or to == obj.status == Status.APPROVED)
                and not is_ones_own(obj, to, person(request))
            ]
        if request.user.has_perm(ASK) and obj.status == Status.APPROVED:
            found.append(Tool("Ask for access", reverse("admin:authz_client_ask", args=[obj.pk])))
        if self._may_make_secret(request, obj):
            found.append(Tool("New secret", reverse("admin:authz_client_secret", args=[obj.pk])))
        return found

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
                "reach": reach(client) if request.user.has_perm("authz.view_rule") else None,
                "status_chip": self.status_chip(client),
                "last_event": getattr(client, "last_event", None),
                "kind": self.kind_text(client),
            }
        return super().change_view(request, object_id, form_url, context)

    # --- the switch and the secret

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/switch/<str:to>/", wrap(self.switch_view), name="authz_client_switch"),
            path("<int:pk>/ask/", wrap(never_cache(access_request_form.ask)), name="authz_client_ask"),
            path("<int:pk>/secret/", wrap(never_cache(self.secret_view)), name="authz_client_secret"),
            *super().get_urls(),
        ]

    def switch_view(self, request: HttpRequest, pk: int, to: str) -> HttpResponse:
        if not request.user.has_perm(APPROVE_AGENTS):
            raise PermissionDenied
        if to not in SWITCH:
            return HttpResponseRedirect(reverse("admin:authz_client_change", args=[pk]))
        client = get_object_or_404(self.get_queryset(request), pk=pk)
        if is_ones_own(client, to, person(request)):
            raise PermissionDenied(OWN)
        form = self._approval(request, to, [client])
        if request.method == "POST" and (form is None or form.is_valid()):
            if form is None or form_binding.is_as_shown(request, APPROVAL, *_to_approve([client])):
                return self._switch_one(request, client, to, form)
            messages.warning(request, form_binding.CHANGED)
        return self._confirm(request, to, [client], form)

    def _switch_one(
        self, request: HttpRequest, client: Client, to: str, form: ApprovalForm | None
    ) -> HttpResponseRedirect:
        terms = form.terms() if form else None
        is_overtaken = form is not None and form.is_overtaken
        try:
            if not is_overtaken and switch(client, to, by=person(request), now=datetime.now(UTC), terms=terms):
                messages.success(request, f"“{client.name or client.client_id}” is {DONE[Status(to)]}.")
            else:
                messages.warning(request, "Somebody else was quicker: its status had changed already.")
        except agent_lifecycle.CannotApprove as problem:
            messages.error(request, str(problem))
        return HttpResponseRedirect(reverse("admin:authz_client_change", args=[client.pk]))

    def _approval(self, request: HttpRequest, to: str, clients: Sequence[Client]) -> ApprovalForm | None:
        """The terms, where something is approved: filled in from what was posted, once that was their form."""
        if to != Status.APPROVED:
            return None
        posted = request.POST if "until" in request.POST else None
        return ApprovalForm(clients, person(request), posted)

    def _confirm(
        self, request: HttpRequest, to: str, clients: Sequence[Client], form: ApprovalForm | None
    ) -> HttpResponse:
        button, consequence = SWITCH[Status(to)]
        if to == Status.APPROVED and all(client.status == Status.APPROVED for client in clients):
            button = "Renew"
        many = len(clients) > 1
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{button} {len(clients)} agents?" if many else f"{button} this agent?",
            "button": button,
            "consequence": consequence.replace("It ", "They ").replace("it again", "them again")
            if many
            else consequence,
            "clients": clients,
            "to": to,
            "form": form,
            "is_bulk": bool(request.POST.get("action")),
            "shown_field": form_binding.field(request, APPROVAL, *_to_approve(clients)) if form else "",
            "reach": reach(clients[0]) if not many and to == Status.APPROVED else None,
        }
        return TemplateResponse(request, "console/agent_switch.html", context)

    def _switch_selected(self, request: HttpRequest, queryset: QuerySet[Client], to: str) -> HttpResponse | None:
        if not request.user.has_perm(APPROVE_AGENTS):
            raise PermissionDenied
        clients = list(queryset.order_by("pk")[:500])
        form = self._approval(request, to, clients)
        if not request.POST.get("post") or (form is not None and not form.is_valid()):
            return self._confirm(request, to, clients, form)
        if form is not None and not form_binding.is_as_shown(request, APPROVAL, *_to_approve(clients)):
            messages.warning(request, form_binding.CHANGED)
            return self._confirm(request, to, clients, form)
        now, moved, left = datetime.now(UTC), 0, []
        for client in clients:
            try:
                terms = form.terms(client) if form else None
                moved += switch(client, to, by=person(request), now=now, terms=terms)
            except PermissionDenied as problem:
                record_refused_page(request, Reason.PAGE_FORBIDDEN, f"{client.client_id}: {problem}")
                left.append(f"{client.client_id}: {problem}")
        messages.success(request, f"{moved} of {len(clients)} {DONE[Status(to)]}.")
        if left:
            messages.warning(request, " ".join(left[:10]))
        return None

    @admin.action(description="Approve or renew", permissions=["approve"])
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        return self._switch_selected(request, queryset, Status.APPROVED)

    @admin.action(description="Suspend", permissions=["approve"])
    def suspend_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        return self._switch_selected(request, queryset, Status.SUSPENDED)

    @admin.action(description="Retire", permissions=["approve"])
    def retire_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        return self._switch_selected(request, queryset, Status.RETIRED)

    @admin.action(description="Narrow", permissions=["approve"])
    def narrow_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse | None:
        return narrowing.narrow_selected(request, queryset)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(APPROVE_AGENTS)

    def _may_make_secret(self, request: HttpRequest, client: Client) -> bool:
        return (
            client.token_endpoint_auth_method in SECRET_METHODS
            and client.kind != "cimd"
            and (request.user.is_superuser or client.owner_id == request.user.pk)
        )

    def secret_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        client = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self._may_make_secret(request, client):
            raise PermissionDenied
        secret = ""
        if request.method == "POST":
            me = person(request)
            secret = make_secret(client, By(name=me.username, subject=str(me.subject)))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "The agent's new secret" if secret else "Make a new secret?",
            "client": client,
            "secret": secret,
        }
        return TemplateResponse(request, "console/agent_secret.html", context)

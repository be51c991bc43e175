"""The console's pages for cross-app access: whom we believe, where our ID-JAGs go, who is who, and who is signed in."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from rest_framework.serializers import ValidationError

from authz import resources
from authz.console.model_admin import ConsoleAdmin, Form, ReadOnlyAdmin, Tool
from authz.console.site import console
from authz.console.widgets.display import chip, foreign, when
from authz.console.widgets.fields import AgentField, JsonObjectField, KeysField, LinesField
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.database import configuration_cache
from authz.models import BrowserSession, Client
from authz.models.client import JWT_BEARER
from authz.protocol import host_patterns, jwks, scopes
from authz.protocol.errors import OAuthError
from xaa import presets
from xaa.configuration.issuer_keys import check_audience, check_keys, check_trust_domain
from xaa.configuration.trusted_issuers import address_problem, check_issuer, host_problem
from xaa.explain import explain
from xaa.models import (
    IssuerHealth,
    ResourceAuthorizationServer,
    Session,
    SignInClient,
    SubjectLink,
    TargetResource,
    TrustedIssuer,
    WorkloadBinding,
)
from xaa.models.sign_in_client import SCOPES
from xaa.models.trusted_issuer import GREATEST_LIFETIME, LEAST_LIFETIME, USUAL_LIFETIME
from xaa.public_clients import LIFETIME, LONGEST_LIFETIME, SHORTEST_LIFETIME
from xaa.sign_in import secret
from xaa.sign_in.adapter import provider_id
from xaa.sign_in.provider import callback_url

if TYPE_CHECKING:
    WorkloadInlineBase = admin.TabularInline[WorkloadBinding, TrustedIssuer]
    TargetInlineBase = admin.TabularInline[TargetResource, ResourceAuthorizationServer]
    BaseFormSet = forms.BaseInlineFormSet[Any, Any, Any]
else:
    BaseFormSet = forms.BaseInlineFormSet
    WorkloadInlineBase = TargetInlineBase = admin.TabularInline


class IssuerField(forms.CharField):
    """An issuer identifier, kept byte for byte."""

    def clean(self, value: Any) -> str:
        given = str(super().clean(value))
        try:
            check_issuer(given)
        except ValidationError:
            raise forms.ValidationError("An https URL without query and fragment, as it is in the tokens.") from None
        return given


class ClientIdsField(JsonObjectField):
    """One client's name to another's, as a JSON object; none is shown as nothing."""

    def prepare_value(self, value: Any) -> Any:
        return super().prepare_value(value) if value else ""

    def clean(self, value: Any) -> dict[str, str]:
        given = super().clean(value) or {}
        is_mapping = isinstance(given, dict) and all(isinstance(name, str) and name for name in given.values())
        if not is_mapping:
            raise forms.ValidationError('A JSON object of client ids, such as {"theirs": "ours"}.')
        return dict(given)


class HostsField(LinesField):
    """Host patterns, one a line, the same however they are spelt."""

    def clean(self, value: Any) -> list[str]:
        found = list(dict.fromkeys(host_patterns.normal(host) for host in super().clean(value)))
        if problem := host_problem(found):
            raise forms.ValidationError(problem[:1].upper() + problem[1:] + ".")
        return found


# --- Trusted issuers -------------------------------------------------------------------------------------------------


class TrustedIssuerForm(Form):
    issuer = IssuerField(max_length=512, strip=False, help_text="As it stands in “iss”, byte for byte.")
    accepts = forms.MultipleChoiceField(
        choices=TrustedIssuer.Use.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="It is believed in nothing else.",
    )
    match = forms.MultipleChoiceField(
        choices=TrustedIssuer.Match.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label="People are found by",
        help_text="A verified address links an identity once; from then on the identity counts.",
    )
    create = forms.BooleanField(required=False, label="Make a person at the first assertion about them")
    tenants = LinesField(
        required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="One a line. Empty: any tenant."
    )
    public_clients = HostsField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Clients without a secret",
        help_text="For Claude and others that are identified by a metadata document and have no secret: the hosts, one"
        " a line, whose documents may redeem this issuer's ID-JAGs without authenticating, such as claude.ai or"
        " *.example.com. Empty: every client authenticates.",
    )
    public_client_lifetime = forms.IntegerField(
        initial=LIFETIME,
        required=False,
        min_value=SHORTEST_LIFETIME,
        max_value=LONGEST_LIFETIME,
        label="Longest lifetime for these",
        help_text="In seconds. Raise it only if the issuer can't make its ID-JAGs short: until it ends, a stolen one"
        " that is still unused is as good as a secret.",
    )
    email_trusted = forms.BooleanField(
        required=False,
        label="Its addresses count without “email_verified”",
        help_text="For an issuer that hands out the addresses of its domains itself, and doesn't say that they are"
        " verified (Okta's ID-JAGs, Entra ID). Only within the domains below.",
    )
    email_domains = HostsField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Domains of its addresses",
        help_text="One a line. Where any are named, addresses of other domains find no person, verified or not."
        " “*.example.com” names those under it.",
    )
    client_ids = ClientIdsField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3, "spellcheck": "false"}),
        label="Client ids",
        help_text="For ID tokens: the audience at the issuer, and which of our agents it stands for, as JSON:"
        ' {"theirs": "ours"}.',
    )
    trusted_audiences = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        label="Other audiences of its ID tokens",
        help_text="One a line. For issuers that name several audiences in one ID token, such as ZITADEL, which adds the"
        " project: those that may stand beside the agent’s own. Empty: an ID token is for the agent alone.",
    )
    jwks = KeysField(
        required=False,
        label="Its keys (JWKS)",
        widget=forms.Textarea(attrs={"class": "code", "rows": 4, "spellcheck": "false"}),
        help_text="Where this server cannot ask for them: a private cluster, no way to the Internet. With an address"
        " too, both count. A key that the issuer rotates has to be changed here by hand.",
    )
    audience = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Where the platform fixes “aud” (Entra ID: “api://…”; AKS: the cluster's address; GitHub: the owner's"
        " address unless asked): each value that stands for this server beside its own issuer, exactly, one a line."
        " Whoever else takes that audience could use the assertion here.",
    )
    max_lifetime = forms.IntegerField(
        min_value=LEAST_LIFETIME,
        max_value=GREATEST_LIFETIME,
        initial=USUAL_LIFETIME,
        required=False,
        label="Longest lifetime, in seconds",
        help_text="Azure's managed identities need 86700. Less is safer: for this long a stolen assertion can be used.",
    )
    reuse = forms.BooleanField(
        required=False,
        label="An assertion serves until it expires",
        help_text="Where the platform hands out one token for an hour (projected service accounts, SPIRE, many CI jobs)"
        " and the agent asks more than once. Otherwise each serves once, and a stolen one is of no use after that.",
    )
    sign_in_client_id = forms.CharField(
        required=False,
        max_length=255,
        label="Client ID",
        help_text="What the issuer calls this server. Empty: nobody signs in by it.",
    )
    sign_in_secret = forms.CharField(
        required=False,
        max_length=512,
        strip=False,
        label="Client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Kept encrypted and never shown. Empty: it stays as it is.",
    )
    sign_in_scopes = LinesField(
        required=False, label="Scopes", widget=forms.Textarea(attrs={"rows": 2}), help_text="“openid” among them."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        client = getattr(self.instance, "sign_in", None) if self.instance.pk else None
        self.initial["sign_in_client_id"] = client.client_id if client else ""
        self.initial["sign_in_scopes"] = client.scopes if client else list(SCOPES)

    def clean_jwks(self) -> dict[str, Any] | None:
        given: dict[str, Any] | None = self.cleaned_data["jwks"]
        if given is not None:
            _checked(lambda: check_keys(given))
        return given

    def clean_max_lifetime(self) -> int:
        return int(self.cleaned_data["max_lifetime"] or USUAL_LIFETIME)

    def clean_audience(self) -> list[str]:
        given: list[str] = self.cleaned_data["audience"]
        for value in given:
            _checked(partial(check_audience, value))
        return given

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        has_keys = bool(given.get("jwks_uri") or given.get("jwks"))
        if problem := check_trust_domain(
            str(given.get("issuer", "")), accepts=given.get("accepts", []), has_keys=has_keys
        ):
            self.add_error("issuer", f"{problem[0].upper()}{problem[1:]}.")
        if problem := address_problem(given.get("email_trusted", False), given.get("email_domains", [])):
            self.add_error("email_domains", f"Trusting its addresses {problem}.")
        if given.get("public_client_lifetime") is None and "public_client_lifetime" not in self.errors:
            given["public_client_lifetime"] = LIFETIME
        if not given.get("sign_in_client_id"):
            return given
        if "openid" not in given.get("sign_in_scopes", ()):
            self.add_error("sign_in_scopes", "“openid” has to be among them.")
        if TrustedIssuer.Use.ID_TOKEN not in given.get("accepts", ()):
            self.add_error("accepts", "Signing in by it needs that it is believed for ID tokens.")
        return given

    class Meta:
        model = TrustedIssuer
        fields = (
            "name", "issuer", "enabled", "jwks_uri", "accepts", "match", "create", "groups_claim", "tenants",
            "client_ids", "trusted_audiences", "jwks", "audience", "max_lifetime", "reuse",
            "public_clients", "public_client_lifetime", "email_trusted", "email_domains",
        )  # fmt: skip
        labels: ClassVar = {"jwks_uri": "Address of its keys (JWKS)"}


def _checked(check: Callable[[], object]) -> None:
    """The configuration file's rule, as a form's."""
    try:
        check()
    except ValidationError as error:
        said = error.detail[0] if isinstance(error.detail, list) else error.detail
        raise forms.ValidationError(f"It {said}.") from None


class WorkloadForm(Form):
    client = AgentField(label="Agent", max_length=1024)
    claims = JsonObjectField(
        required=False, widget=forms.Textarea(attrs={"class": "code", "rows": 2, "spellcheck": "false"})
    )

    class Meta:
        model = WorkloadBinding
        fields = ("subject", "claims", "client", "reuse")
        labels: ClassVar = {"reuse": "Serves until it expires"}

    def clean_claims(self) -> dict[str, Any]:
        return self.cleaned_data["claims"] or {}

    def clean_client(self) -> Client | None:
        client: Client | None = self.cleaned_data["client"]
        if client is not None and JWT_BEARER not in client.grant_types:
            raise forms.ValidationError(f"This agent does not ask for tokens by {JWT_BEARER}.")
        return client


class NamedFields(BaseFormSet):
    """Rows of a table: each field says its column's name to a screen reader."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        for field in form.fields.values():
            field.widget.attrs.setdefault("aria-label", str(field.label or "Delete this row"))


class WorkloadInline(WorkloadInlineBase):
    formset = NamedFields
    model = WorkloadBinding
    form = WorkloadForm
    fields = ("subject", "claims", "client", "reuse")
    extra = 1
    verbose_name_plural = "workloads"


class HealthFilter(admin.SimpleListFilter):
    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return (("failing", "Its keys cannot be fetched"),)

    def queryset(self, request: HttpRequest, queryset: QuerySet[TrustedIssuer]) -> QuerySet[TrustedIssuer]:
        return queryset.filter(FAILING) if self.value() == "failing" else queryset


FAILING = Q(enabled=True, health__failures__gt=0)


@admin.register(TrustedIssuer, site=console)
class TrustedIssuerAdmin(ConsoleAdmin):
    nav = ("Trust", "key")
    introduction = "Whose assertions are believed, and what for. Switching one off ends everything that rests on it."
    empty_text = "Nobody is trusted yet, so no assertion of anybody else is believed."
    form = TrustedIssuerForm
    inlines = (WorkloadInline,)
    list_display = ("who", "state", "believed_for", "people", "keys")
    list_filter = (HealthFilter,)
    list_select_related = ("health",)
    search_fields = ("name", "issuer")
    fieldsets = (
        (None, {"fields": ("name", "issuer", "enabled", "accepts", "jwks_uri", "jwks", "keys")}),
        ("People", {"fields": ("match", "create", "groups_claim", "tenants", "email_trusted", "email_domains")}),
        ("Clients without a secret", {"fields": ("public_clients", "public_client_lifetime")}),
        ("ID tokens", {"fields": ("client_ids", "trusted_audiences")}),
        ("Workloads", {"fields": ("audience", "max_lifetime", "reuse")}),
        ("Signing in", {"fields": ("sign_in_client_id", "sign_in_secret", "sign_in_scopes", "redirect_uri")}),
    )
    readonly_fields = ("redirect_uri", "keys")
    change_form_template = "console/trusted_issuer.html"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The form of a preset (`?preset=okta`): filled in, to be looked at and saved."""
        chosen = presets.PRESETS.get(request.GET.get("preset", ""))
        if chosen is None:
            return {}
        keys = dict(chosen.keys)
        subjects = keys.pop("subjects", {})
        if subjects:
            keys |= {name: subjects[name] for name in ("match", "create", "tenants")}
            keys["groups_claim"] = subjects["groups"]
        return {"name": chosen.label, "issuer": chosen.issuer if chosen.is_fixed else "", **keys}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        name = request.GET.get("preset", "")
        offered = {"presets": presets.PRESETS, "preset": presets.PRESETS.get(name), "preset_name": name}
        answer: HttpResponse = super().add_view(request, form_url, {**(extra_context or {}), **offered})
        return answer

    @admin.display(description="Redirect URI")
    def redirect_uri(self, row: TrustedIssuer) -> str:
        """What the issuer has to know of us."""
        return callback_url(provider_id(row.issuer)) if row.pk else "Shown once it is saved; the issuer needs it."

    @admin.display(description="Client secret")
    def sign_in_secret(self, row: TrustedIssuer) -> str:
        """What those see of it who may change nothing."""
        client = getattr(row, "sign_in", None)
        return "There is one." if client and client.secret else "—"

    def save_model(self, request: HttpRequest, obj: TrustedIssuer, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        given = form.cleaned_data
        if not given["sign_in_client_id"]:
            SignInClient.objects.filter(issuer=obj).delete()
            return
        values = {"client_id": given["sign_in_client_id"], "scopes": given["sign_in_scopes"]}
        if given["sign_in_secret"]:
            values["secret"] = secret.sealed(given["sign_in_secret"], obj.pk)
        SignInClient.objects.update_or_create(issuer=obj, defaults=values)

    @admin.display(description="issuer", ordering="issuer")
    def who(self, row: TrustedIssuer) -> SafeString:
        return foreign(row.name or row.issuer, sub=row.issuer)

    @admin.display(description="state", ordering="enabled")
    def state(self, row: TrustedIssuer) -> SafeString:
        return chip("Trusted", "good") if row.enabled else chip("Switched off", "bad")

    @admin.display(description="believed for")
    def believed_for(self, row: TrustedIssuer) -> str:
        names = dict(TrustedIssuer.Use.choices)
        told = ", ".join(names[use] for use in row.accepts if use in names) or "nothing"
        hosts = ", ".join(row.public_clients)
        return f"{told}; without a secret from {hosts}" if hosts else told

    @admin.display(description="people")
    def people(self, row: Any) -> SafeString:
        url = f"{reverse('admin:xaa_subjectlink_changelist')}?issuer__id__exact={row.pk}"
        return format_html('<a href="{}">{} linked</a>', url, row.linked)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrustedIssuer]:
        rows: QuerySet[TrustedIssuer] = super().get_queryset(request).annotate(linked=Count("links"))
        return rows

    def tasks(self, request: HttpRequest, now: datetime) -> list[Task]:
        """Issuers whose keys cannot be fetched: nobody comes in by them once the last keys are too old."""
        if not self.has_view_permission(request) or not (
            failing := TrustedIssuer.objects.filter(FAILING)[:MAX_TASKS].count()
        ):
            return []
        url = f"{reverse('admin:xaa_trustedissuer_changelist')}?health=failing"
        text = many(failing, "The keys of 1 issuer cannot be fetched", "The keys of {} issuers cannot be fetched")
        return [Task(text, url, "Look", "key")]

    def tools(self, request: HttpRequest, obj: TrustedIssuer | None) -> Sequence[Tool]:
        found = []
        if obj is not None:
            links = reverse("admin:xaa_subjectlink_changelist")
            found.append(Tool("Linked people", f"{links}?issuer__id__exact={obj.pk}"))
        if request.user.is_superuser:
            found.append(Tool("Test an assertion", reverse("admin:xaa_trustedissuer_test")))
        return found

    def get_urls(self) -> list[URLPattern]:
        own = path("test/", self.admin_site.admin_view(never_cache(assertion_view)), name="xaa_trustedissuer_test")
        return [own, *super().get_urls()]

    @admin.display(description="keys")
    def keys(self, row: TrustedIssuer) -> SafeString | str:
        return format_html("{}{}", inline_line(row), health_line(getattr(row, "health", None)))

    def cut_off_as(self, obj: TrustedIssuer) -> tuple[str, str] | None:
        return "issuer", obj.issuer


class AssertionForm(forms.Form):
    assertion = forms.CharField(
        max_length=16_384,
        widget=forms.Textarea(attrs={"class": "code", "rows": 6, "spellcheck": "false", "autocomplete": "off"}),
        help_text="An ID-JAG or a workload's assertion, as it would be sent. Testing neither uses it up nor keeps it.",
    )
    client_id = AgentField(
        required=False, label="Who presents it", help_text="Left empty: the client that it names.", max_length=1024
    )


def assertion_view(request: HttpRequest) -> HttpResponse:
    """What we think of an assertion, check by check. It may make this server fetch keys, so it is a POST."""
    if not request.user.is_superuser:
        raise PermissionDenied
    form = AssertionForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {
        **console.each_context(request),
        "title": "Test an assertion",
        "form": form,
    }
    if form.is_valid():
        configuration_cache.begin()
        client = form.cleaned_data["client_id"]
        found = explain(
            form.cleaned_data["assertion"].strip(), client_id=client.client_id if client else None, now=time.time()
        )
        context["findings"] = list(found)
        context["is_accepted"] = all(finding.passed for finding in context["findings"])
    return TemplateResponse(request, "console/assertion_test.html", context)


def inline_line(row: TrustedIssuer) -> SafeString:
    """The keys that stand in the configuration, those that do not count too."""
    if not row.jwks:
        return SafeString("")
    found = jwks.read(row.jwks)
    told = [
        many(len(found.keys), "1 inline key", "{} inline keys"),
        *(f"passed over {one}" for one in found.passed_over),
    ]
    return format_html("<span>{}</span> · ", "; ".join(told))


def health_line(health: IssuerHealth | None) -> SafeString | str:
    """When the keys were fetched and will be again, and what went wrong."""
    if health is None:
        return "never asked for"
    line = format_html(
        "{}, fetched {}, next {}",
        many(health.keys, "1 key", "{} keys"),
        when(health.fetched),
        when(health.next_fetch, never="when they are asked for"),
    )
    if health.passed_over:
        line = format_html("{}; passed over {}", line, "; ".join(health.passed_over))
    if not health.failures:
        return format_html("<span>{}</span>", line)
    failed = many(health.failures, "1 failure", "{} failures")
    return format_html("<span>{} {} {}</span>", line, chip(failed, "bad"), health.failure)


@admin.register(SubjectLink, site=console)
class SubjectLinkAdmin(ConsoleAdmin):
    nav = ("People", "link")
    introduction = "Which person an issuer's subject is. Removing a link ends what was given under it, at once."
    empty_text = "No identity of another issuer is linked to a person yet."
    list_display = ("identity", "tenant", "of_issuer", "person", "gives", "since")
    list_filter = ("issuer",)
    list_select_related = ("issuer", "user")
    search_fields = ("subject", "user__username", "user__email")
    raw_id_fields = ("user",)  # the widget that suggests has no name that a screen reader could say
    fields = ("issuer", "tenant", "subject", "user")

    @admin.display(description="subject", ordering="subject")
    def identity(self, row: SubjectLink) -> SafeString:
        return foreign(row.subject)

    @admin.display(description="issuer", ordering="issuer__name")
    def of_issuer(self, row: SubjectLink) -> SafeString:
        return foreign(row.issuer.name or row.issuer.issuer)

    @admin.display(description="person", ordering="user__username")
    def person(self, row: SubjectLink) -> SafeString:
        return foreign(row.user.username, sub=row.user.email)

    @admin.display(description="groups by its word alone")
    def gives(self, row: SubjectLink) -> SafeString:
        return foreign(", ".join(row.given) or "—")

    @admin.display(description="since", ordering="created")
    def since(self, row: SubjectLink) -> SafeString | str:
        return when(row.created)

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False


# --- Where ID-JAGs go ------------------------------------------------------------------------------------------------


class ServerForm(Form):
    issuer = IssuerField(max_length=512, strip=False, help_text="As it stands in “aud”, byte for byte.")
    client_ids = ClientIdsField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3, "spellcheck": "false"}),
        label="Client ids",
        help_text='Our agents\' ids and what they are called there, as JSON: {"ours": "theirs"}. A metadata document\'s'
        " URL is the same everywhere.",
    )

    class Meta:
        model = ResourceAuthorizationServer
        fields = (
            *("name", "issuer", "enabled", "id_jag_signing_alg", "client_ids"),
            *("tenant", "aud_tenant", "aud_sub"),
        )


class TargetForm(Form):
    scopes = LinesField(required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="One a line.")

    class Meta:
        model = TargetResource
        fields = ("identifier", "scopes")

    def clean_identifier(self) -> str:
        given = str(self.cleaned_data["identifier"])
        try:
            resources.canonical(given)
        except OAuthError as error:
            raise forms.ValidationError(error.sentence) from None
        return given

    def clean_scopes(self) -> list[str]:
        given: list[str] = self.cleaned_data["scopes"]
        if not all(scopes.is_scope_token(name) for name in given):
            raise forms.ValidationError("Scope names have neither quotation marks nor backslashes.")
        return given


class TargetInline(TargetInlineBase):
    formset = NamedFields
    model = TargetResource
    form = TargetForm
    fields = ("identifier", "scopes")
    extra = 1


@admin.register(ResourceAuthorizationServer, site=console)
class ResourceAuthorizationServerAdmin(ConsoleAdmin):
    nav = ("Trust", "out")
    nav_title = "Resource auth. servers"
    introduction = "Other organisations' authorization servers that take our ID-JAGs, and what may be asked for there."
    empty_text = "No agent can be sent to another organisation's MCP server yet."
    form = ServerForm
    inlines = (TargetInline,)
    list_display = ("who", "state", "reach")
    search_fields = ("name", "issuer")

    @admin.display(description="server", ordering="issuer")
    def who(self, row: ResourceAuthorizationServer) -> SafeString:
        return foreign(row.name or row.issuer, sub=row.issuer)

    @admin.display(description="state", ordering="enabled")
    def state(self, row: ResourceAuthorizationServer) -> SafeString:
        return chip("Active", "good") if row.enabled else chip("Switched off", "bad")

    @admin.display(description="resources")
    def reach(self, row: Any) -> int:
        return int(row.resource_total)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ResourceAuthorizationServer]:
        rows: QuerySet[ResourceAuthorizationServer] = super().get_queryset(request)
        return rows.annotate(resource_total=Count("resources"))


# --- Sign-ins --------------------------------------------------------------------------------------------------------


@admin.register(Session, site=console)
class SessionAdmin(ReadOnlyAdmin):
    nav = ("People", "clock")
    introduction = "Who is signed in where. Ending one ends everything that was given in it."
    empty_text = "Nobody is signed in."
    list_display = ("person", "since")
    list_select_related = ("user",)
    search_fields = ("user__username", "user__email")
    search_help_text = "Name or email"
    fields = ("user", "started")

    @admin.display(description="person", ordering="user__username")
    def person(self, row: Session) -> SafeString:
        return foreign(row.user.username, sub=row.user.email)

    @admin.display(description="since", ordering="started")
    def since(self, row: Session) -> SafeString | str:
        return when(row.started)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        alive = BrowserSession.objects.filter(expire_date__gt=datetime.now(UTC)).values("digest")
        rows: QuerySet[Session] = super().get_queryset(request).filter(digest__in=alive)
        return rows

    def cut_off_as(self, obj: Session) -> tuple[str, str] | None:
        return "session", obj.digest

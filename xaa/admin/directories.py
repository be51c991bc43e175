"""The console's pages of directories: what they may, how they are, and their SCIM tokens."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache

from authz.console.model_admin import ConsoleAdmin, Form
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import chip, code, count, foreign, when
from authz.console.widgets.fields import LinesField
from authz.console.widgets.tasks import MAX_TASKS, Task, many
from authz.console.widgets.toolbar import Tool
from authz.models import Client
from authz.sign_in.roles import CONFIGURE
from xaa.configuration.directories import pattern_problem, problem
from xaa.models import Directory, DirectoryToken
from xaa.scim import state, tokens


class DirectoryForm(Form):
    groups = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="The groups of the directory that count here, one a line; “*” at the end stands for any rest.",
    )

    class Meta:
        model = Directory
        fields = ("name", "enabled", "issuer", "tenant", "subject", "groups", "client")

    def clean_groups(self) -> list[str]:
        given: list[str] = list(dict.fromkeys(self.cleaned_data["groups"]))
        if wrong := pattern_problem(given):
            raise forms.ValidationError(f"{wrong}.")
        return given

    def clean_client(self) -> str:
        given = str(self.cleaned_data["client"]).strip()
        if given and not Client.objects.filter(client_id=given).exists():
            raise forms.ValidationError("There is no agent of this client_id.")
        return given

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        wrong = problem(given.get("issuer"), given.get("tenant", ""), given.get("subject", ""))
        for name, text in wrong.items():
            self.add_error(name, f"{text[:1].upper()}{text[1:]}.")
        return given


@admin.register(Directory, site=console)
class DirectoryAdmin(ConsoleAdmin):
    place = Place("Operate", "People", "person", tab="Directories", order=1)
    introduction = (
        "Directories that tell by SCIM which people and groups there are. Who leaves there loses access here."
    )
    empty_text = "No directory tells who is here. People come by sign-in, by invitation and from the file."
    form = DirectoryForm
    list_display = ("who", "condition", "people", "groups_there", "last_contact")
    list_select_related = ("issuer", "contact")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "enabled", "issuer", "tenant", "subject", "groups", "client")}),
        ("How it is", {"fields": ("address", "last_contact", "last_error", "people", "groups_there", "good_tokens")}),
    )
    readonly_fields = ("address", "last_contact", "last_error", "people", "groups_there", "good_tokens")

    @admin.display(description="directory", ordering="name")
    def who(self, row: Directory) -> SafeString:
        return foreign(row.name, sub=row.issuer.issuer if row.issuer else "of no issuer")

    @admin.display(description="state", ordering="enabled")
    def condition(self, row: Directory) -> SafeString:
        if not row.enabled or (row.issuer is not None and not row.issuer.enabled):
            return chip("Off", "bad")
        return chip("Active", "good") if _state(row).tokens or row.client else chip("No token", "caution")

    @admin.display(description="people")
    def people(self, row: Directory) -> SafeString | str:
        return count(_state(row).people) if row.pk else "—"

    @admin.display(description="groups there")
    def groups_there(self, row: Directory) -> SafeString | str:
        return count(_state(row).groups) if row.pk else "—"

    @admin.display(description="last contact")
    def last_contact(self, row: Directory) -> SafeString | str:
        last = _state(row).last if row.pk else None
        return when(last) if last else "never"

    @admin.display(description="last error")
    def last_error(self, row: Directory) -> SafeString | str:
        found = _state(row) if row.pk else None
        return foreign(f"{found.failed:%Y-%m-%d %H:%M} UTC: {found.failure}") if found and found.failed else "none"

    @admin.display(description="address to enter there")
    def address(self, row: Directory) -> SafeString:
        return code(state.address())

    @admin.display(description="SCIM tokens")
    def good_tokens(self, row: Directory) -> str:
        found = _state(row).tokens if row.pk else ()
        return "; ".join(f"number {one.pk}, until {one.expires:%Y-%m-%d}" for one in found) or "none that is good"

    def tools(self, request: HttpRequest, obj: Directory | None) -> Sequence[Tool]:
        if obj is None or not request.user.has_perm(CONFIGURE):
            return []
        return [Tool("SCIM tokens", reverse("admin:xaa_directory_tokens", args=[obj.pk]), "")]

    def tasks(self, request: HttpRequest, now: datetime) -> list[Task]:
        """Tokens that soon expire with no newer one beside them: no leaver would be known."""
        if not self.has_view_permission(request):
            return []
        found = expiring(now)[:MAX_TASKS]
        if not found:
            return []
        text = many(len(found), "1 directory needs a new SCIM token", "{} directories need a new SCIM token")
        return [Task(text, reverse("admin:xaa_directory_changelist"), "Look", "key")]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(never_cache(tokens_view))
        return [path("<int:pk>/tokens/", view, name="xaa_directory_tokens"), *super().get_urls()]


def _state(row: Directory) -> state.State:
    found: state.State | None = getattr(row, "_condition", None)
    if found is None:
        found = state.of(row, datetime.now(UTC))
        row._condition = found  # type: ignore[attr-defined]  # for one page
    return found


def expiring(now: datetime, within: timedelta = timedelta(days=14)) -> list[Directory]:
    """Directories that are on, whose tokens all end within that time."""
    good = DirectoryToken.objects.filter(directory=OuterRef("pk"), withdrawn=None)
    ending = Exists(good.filter(expires__gt=now))
    lasting = Exists(good.filter(expires__gt=now + within))
    return list(Directory.objects.filter(ending, ~lasting, enabled=True, client=""))


class TokenForm(forms.Form):
    days = forms.IntegerField(
        min_value=1,
        max_value=tokens.MOST_DAYS,
        initial=tokens.USUAL_DAYS,
        label="Days",
        help_text="How long it is good.",
    )


def tokens_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a token, shown this once, or withdraw one. Raises `PermissionDenied`."""
    if not request.user.has_perm(CONFIGURE):
        raise PermissionDenied
    row, now, by = get_object_or_404(Directory, pk=pk), datetime.now(UTC), request.user.get_username()
    form, made = TokenForm(), ""
    if request.method == "POST" and "withdraw" in request.POST:
        which = str(request.POST["withdraw"])
        found = DirectoryToken.objects.select_related("directory").filter(directory=row)
        chosen = (
            found.filter(pk=int(which)).first() if which.isascii() and which.isdigit() and len(which) < 10 else None
        )
        if chosen is not None:
            tokens.withdraw(chosen, by=by, now=now)
    elif request.method == "POST":
        form = TokenForm(request.POST)
        if form.is_valid():
            made = tokens.make(row, days=form.cleaned_data["days"], by=by, now=now)
    context = {
        **console.each_context(request),
        "opts": Directory._meta,
        "title": "The new SCIM token" if made else "SCIM tokens",
        "directory": row,
        "address": state.address(),
        "good": row.tokens.filter(withdrawn=None, expires__gt=now),
        "form": form,
        "made": made,
    }
    return TemplateResponse(request, "console/directory_tokens.html", context)

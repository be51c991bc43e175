"""The console's list of sign-ins."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from authz.console.model_admin import ReadOnlyAdmin
from authz.console.navigation import Place
from authz.console.people.sign_ins import MOST
from authz.console.site import console
from authz.console.widgets.display import code, foreign, when
from authz.models import BrowserSession
from authz.sign_in import sign_ins
from authz.sign_in.roles import CUT_OFF
from authz.sign_in.sign_ins import NOT_KNOWN, SignInRow
from xaa.models import (
    Session,
)


@admin.register(Session, site=console)
class SessionAdmin(ReadOnlyAdmin):
    place = Place("Operate", "People", "person", tab="Sign-ins", order=1)
    introduction = "People who are signed in. Ending a sign-in ends all authorizations that were given in it."
    empty_text = "No person is signed in."
    list_display = ("person", "browser", "address", "how", "since")
    list_select_related = ("user",)
    search_fields = ("user__username", "user__email")
    search_help_text = "Name or email"
    fields = ("user", "started", "browser", "address", "how")
    readonly_fields = ("browser", "address", "how")
    actions = ("end_selected",)

    @admin.display(description="person", ordering="user__username")
    def person(self, row: Session) -> SafeString:
        return foreign(row.user.username, sub=row.user.email)

    @admin.display(description="since", ordering="started")
    def since(self, row: Session) -> SafeString | str:
        return when(row.started)

    @admin.display(description="browser")
    def browser(self, row: Session) -> str:
        return _sign_in(row).browser or "—"

    @admin.display(description="address")
    def address(self, row: Session) -> SafeString | str:
        found = _sign_in(row).address
        return code(found) if found else "—"

    @admin.display(description="by")
    def how(self, row: Session) -> SafeString:
        return foreign(_sign_in(row).how)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            rows = response.context_data["cl"].result_list
            found = sign_ins.by_digest([row.digest for row in rows], datetime.now(UTC))
            for row in rows:
                row.sign_in = found.get(row.digest, NOT_KNOWN)
        return response

    def has_cut_off_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(CUT_OFF["session"])

    @admin.action(description="End", permissions=["cut_off"])
    def end_selected(self, request: HttpRequest, queryset: QuerySet[Session]) -> HttpResponse | None:
        """To the page that says what would end, and has the button."""
        digests = list(queryset.values_list("digest", flat=True)[: MOST + 1])
        if len(digests) > MOST:
            messages.warning(request, f"Choose {MOST} at the most.")
            return None
        return HttpResponseRedirect(f"{reverse('admin:end_sign_ins')}?{urlencode({'id': digests}, doseq=True)}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        alive = BrowserSession.objects.filter(expire_date__gt=datetime.now(UTC)).values("digest")
        rows: QuerySet[Session] = super().get_queryset(request).filter(digest__in=alive)
        return rows

    def cut_off_as(self, obj: Session) -> tuple[str, str] | None:
        return "session", obj.digest


def _sign_in(row: Session) -> SignInRow:
    """Where and how it began; the list has looked it up for all of its rows."""
    found = getattr(row, "sign_in", None)
    return (
        found if found is not None else sign_ins.by_digest([row.digest], datetime.now(UTC)).get(row.digest, NOT_KNOWN)
    )

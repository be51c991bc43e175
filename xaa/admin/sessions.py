"""The console's list of sign-ins."""

from datetime import UTC, datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from authz.console.model_admin import ReadOnlyAdmin
from authz.console.navigation import Place
from authz.console.site import console
from authz.console.widgets.display import foreign, when
from authz.models import BrowserSession
from xaa.models import (
    Session,
)


@admin.register(Session, site=console)
class SessionAdmin(ReadOnlyAdmin):
    place = Place("Operate", "People", "person", tab="Sign-ins", order=1)
    introduction = "People who are signed in. Ending a sign-in ends all authorizations that were given in it."
    empty_text = "No person is signed in."
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

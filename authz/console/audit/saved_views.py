"""Named searches of the audit: built-in ones, and those that people save."""

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from authz.console.model_admin import Form, person
from authz.console.site import console
from authz.console.widgets.fields import ShownField
from authz.console.widgets.toolbar import Tool
from authz.models import SavedView

# What a view keeps of an address: neither a page nor anything that Django does not search by.
KEPT = (
    "q", "event", "period", "outcome", "client_id", "subject", "resource", "authorization", "reason", "time__gte",
    "time__lt", "detail__grant_type", "calls", "tool", "label",
)  # fmt: skip
MAX_VIEWS = 50
GIVEN = (
    ("Refused today", "outcome=refused&period=24h"),
    ("Tokens today", "event=token%3Aaccess%3Aissued&period=24h"),
    ("Calls today", "calls=all&period=24h"),
    ("Unusual calls", "calls=unusual"),
    ("Who signed in", "event=person%3Asession%3Astarted"),
    ("What was changed", "event=configuration%3Aobject%3Achanged"),
)


@dataclass(frozen=True, slots=True)
class View:
    name: str
    query: str
    is_current: bool
    is_shared: bool = False
    forget: str = ""


def shown_query(request: HttpRequest) -> str:
    """What of the address makes the list what it is, in one order."""
    return kept(request.GET)


def kept(query: QueryDict) -> str:
    found = QueryDict(mutable=True)
    for name in KEPT:
        if value := query.get(name):
            found[name] = str(value)
    return found.urlencode()


def views(request: HttpRequest) -> list[View]:
    """Those above the list: the built-in ones, the person's own, and shared ones."""
    me, current = person(request), shown_query(request)
    rows = SavedView.objects.filter(Q(owner=me) | Q(is_shared=True))[: 4 * MAX_VIEWS]
    return [
        *(View(name, query, kept(QueryDict(query)) == current) for name, query in GIVEN),
        *(
            View(
                row.name,
                row.query,
                row.query == current,
                row.is_shared,
                reverse("admin:authz_auditevent_forget_view", args=[row.pk]) if _may_forget(request, row) else "",
            )
            for row in rows
        ),
    ]


class ViewForm(Form):
    name = ShownField(max_length=60)
    query = forms.CharField(max_length=2000)

    class Meta:
        model = SavedView
        fields = ("name", "query", "is_shared")

    def clean_query(self) -> str:
        query = kept(QueryDict(self.cleaned_data["query"]))
        if not query:
            raise forms.ValidationError("Search or filter first: this is the whole audit.")
        return query


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("authz.view_auditevent"):
        raise PermissionDenied
    me, form = person(request), ViewForm(request.POST)
    back = reverse("admin:authz_auditevent_changelist")
    if not form.is_valid():
        messages.error(request, " ".join(str(problem) for problems in form.errors.values() for problem in problems))
        return redirect(back)
    if SavedView.objects.filter(owner=me).count() >= MAX_VIEWS:
        messages.error(request, f"Forget one first: {MAX_VIEWS} views are kept for each person.")
        return redirect(back)
    given = form.cleaned_data
    row, _ = SavedView.objects.update_or_create(
        owner=me, name=given["name"], defaults={"query": given["query"], "is_shared": given["is_shared"]}
    )
    messages.success(request, "The view is saved.")
    return redirect(f"{back}?{row.query}")


def forget(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(SavedView.objects.select_related("owner"), pk=pk)
    if not _may_forget(request, row):
        raise PermissionDenied
    if request.method == "POST":
        row.delete()
        messages.success(request, "The view is gone. No event is.")
        return redirect("admin:authz_auditevent_changelist")
    context = {
        **console.each_context(request),
        "title": "Forget this view?",
        "consequence": "Only the search goes"
        + (", for all who read the audit. Events stay." if row.is_shared else ". No event does."),
        "button": "Forget it",
        "ends_something": True,
        "back": Tool("Audit", reverse("admin:authz_auditevent_changelist")),
    }
    return TemplateResponse(request, "console/confirm.html", context)


def _may_forget(request: HttpRequest, row: SavedView) -> bool:
    return row.owner_id == request.user.pk or (row.is_shared and request.user.is_superuser)

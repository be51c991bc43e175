"""The console's frame: who gets in, and what is where."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import URLPattern, URLResolver, path, reverse

from authz.sign_in.roles import SEE_CUT_OFFS

# The order of the navigation's groups; a room's own group comes after them.
GROUPS = ("Decide", "Access", "Trust", "Evidence", "People")
# Django's addresses that answer for any model: fields suggest by suggestions.py, and no object has a page elsewhere.
NOT_OURS = frozenset({"autocomplete", "view_on_site"})


@dataclass(frozen=True, slots=True)
class Item:
    title: str
    url: str
    icon: str
    current: bool = False
    count: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    items: tuple[Item, ...]


Page = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class RegisteredPage:
    name: str
    view: Page


class Console(AdminSite):
    """Django's admin site with our navigation and home page, and django-allauth's sign-in instead of its own."""

    site_header = "Gatehouse console"
    site_title = "Gatehouse console"
    index_title = "Home"
    enable_nav_sidebar = False
    empty_value_display = "—"

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self._pages: dict[str, RegisteredPage] = {}

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # One place signs people in: there are its rate limits, its second factor and its audit.
        if request.user.is_authenticated:
            raise PermissionDenied("This account has no role in the console.")
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"), resolve_url("account_login"))

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return HttpResponseRedirect(reverse("account_logout"))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return HttpResponseRedirect(reverse("account_change_password"))

    def index(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return self._pages[""].view(request)

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> Any:
        return HttpResponseRedirect(reverse("admin:index"))

    def page(self, route: str, name: str) -> Callable[[Page], Page]:
        """Registers a page that belongs to no model: `route` below the console's address, `""` for the home page."""

        def register(view: Page) -> Page:
            self._pages[route] = RegisteredPage(name, view)
            return view

        return register

    def get_urls(self) -> list[URLPattern | URLResolver]:
        own = [path(route, self.admin_view(page.view), name=page.name) for route, page in self._pages.items() if route]
        return [*own, *(found for found in super().get_urls() if getattr(found, "name", "") not in NOT_OURS)]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["navigation"] = self.navigation(request) if context["has_permission"] else ()
        return context

    def navigation(self, request: HttpRequest) -> tuple[Group, ...]:
        groups: dict[str, list[Item]] = defaultdict(list)
        for model, model_admin in self._registry.items():
            if not model_admin.has_view_permission(request) or not getattr(model_admin, "in_navigation", True):
                continue
            group, icon = getattr(model_admin, "nav", ("", "list"))
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            waiting = model_admin.waiting(request) if hasattr(model_admin, "waiting") else 0
            plural = str(getattr(model_admin, "nav_title", model._meta.verbose_name_plural))
            groups[group or str(apps.get_app_config(model._meta.app_label).verbose_name)].append(
                Item(
                    title=plural.capitalize() if plural.islower() else plural,
                    url=url,
                    icon=icon,
                    current=request.path.startswith(url),
                    count=waiting,
                )
            )
        if request.user.has_perm("authz.view_rule"):
            url = reverse("admin:simulator")
            groups["Access"].append(Item("Simulator", url, "check", current=request.path.startswith(url)))
        if request.user.has_perm(SEE_CUT_OFFS):
            url = reverse("admin:switch_overview")
            groups["Decide"].append(Item("The switch", url, "stop", current=request.path.startswith(url)))
        home = reverse("admin:index")
        ordered = sorted(groups, key=lambda title: (GROUPS.index(title) if title in GROUPS else len(GROUPS), title))
        return (
            Group("", (Item("Home", home, "home", current=request.path == home),)),
            *(Group(title, tuple(groups[title])) for title in ordered),
        )


console = Console(name="admin")

"""The console's frame: who may enter, the registered pages, and the context that all templates share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import URLPattern, URLResolver, path, reverse

from authz.console import navigation
from authz.console.navigation import Group, Place
from authz.sign_in import emergency

# Django's addresses that answer for any model: fields suggest by suggestions.py, and no object has a page elsewhere.
NOT_OURS = frozenset({"autocomplete", "view_on_site"})


Page = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class RegisteredPage:
    """A page that belongs to no model. With a `place` it stands in the navigation of those who have `permission`."""

    name: str
    view: Page
    place: Place | None
    permission: str


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
        # People sign in at one place, which has the rate limits, the second factor and the audit.
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

    def page(self, route: str, name: str, place: Place | None = None, permission: str = "") -> Callable[[Page], Page]:
        """Registers a page that belongs to no model: `route` below the console's address, `""` for the home page."""

        def register(view: Page) -> Page:
            self._pages[route] = RegisteredPage(name, view, place, permission)
            return view

        return register

    def get_urls(self) -> list[URLPattern | URLResolver]:
        own = [path(route, self.admin_view(page.view), name=page.name) for route, page in self._pages.items() if route]
        return [*own, *(found for found in super().get_urls() if getattr(found, "name", "") not in NOT_OURS)]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["navigation"] = self.navigation(request) if context["has_permission"] else ()
        context["emergencies"] = emergency.used() if context["has_permission"] else ()
        context["tabs"] = navigation.tabs(context["navigation"], request.path)
        return context

    def navigation(self, request: HttpRequest) -> tuple[Group, ...]:
        found = [*self._places_of_models(request), *self._places_of_pages(request)]
        return navigation.arranged(found, request.path, home=reverse("admin:index"))

    def _places_of_pages(self, request: HttpRequest) -> Iterator[tuple[Place, str, int]]:
        for page in self._pages.values():
            if page.place is not None and (not page.permission or request.user.has_perm(page.permission)):
                yield page.place, reverse(f"admin:{page.name}"), 0

    def _places_of_models(self, request: HttpRequest) -> Iterator[tuple[Place, str, int]]:
        for model, model_admin in self._registry.items():
            place: Place | None = getattr(model_admin, "place", None)
            if place is not None and model_admin.has_view_permission(request):
                url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
                waiting = model_admin.waiting(request) if hasattr(model_admin, "waiting") else 0
                yield place, url, waiting


console = Console(name="admin")

"""All URLs: machine endpoints under the issuer's path, well-known documents at the root, pages
and the management API."""

from django.contrib import admin
from django.urls import include, path

from authz import registry
from authz.api import reference
from authz.api import urls as api
from authz.conf import conf
from authz.console import pages
from authz.endpoints import health, home, metadata, metrics
from authz.endpoints.decision_point import metadata as authzen
from authz.mcp_server import endpoint as mcp
from authz.sign_in import account_pages


def machine_urlpatterns() -> list[object]:
    prefix = f"{conf.issuer_path[1:]}/" if conf.issuer_path else ""
    plugged_in = [path(prefix, include(list(endpoint.urlpatterns))) for endpoint in registry.endpoints()]
    return [*metadata.well_known(), *authzen.well_known(), *plugged_in]


# Here, not when Django starts: a command needs no pages, and they are a third of what it would load.
admin.autodiscover()

handler400 = "authz.endpoints.errors.bad_request"
handler404 = "authz.endpoints.errors.page_not_found"
handler403 = "authz.endpoints.errors.permission_denied"
handler500 = "authz.endpoints.errors.server_error"
urlpatterns = [
    *machine_urlpatterns(),
    *health.urlpatterns,
    *metrics.urlpatterns,
    *api.well_known,
    *mcp.well_known(),
    path("api/v1/reference", reference.reference, name="api_reference"),
    path("api/v1/", include(api.urlpatterns)),
    path("", home.home, name="home"),
    path("accounts/", include(account_pages.urlpatterns())),
    path("account/", include("authz.console.account.urls")),
    path("console/", pages.console.urls),
    *api.misses,
    *metadata.misses(),
]

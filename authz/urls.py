"""All addresses: machine endpoints under the issuer's path, well-known documents at the root, people's pages beside."""

from django.urls import include, path

from authz import registry
from authz.conf import conf
from authz.console import pages
from authz.endpoints import health, home, metadata, metrics


def machine_urlpatterns() -> list[object]:
    prefix = f"{conf.issuer_path[1:]}/" if conf.issuer_path else ""
    plugged_in = [path(prefix, include(list(endpoint.urlpatterns))) for endpoint in registry.endpoints()]
    return [*metadata.well_known(), *plugged_in]


urlpatterns = [
    *machine_urlpatterns(),
    *health.urlpatterns,
    *metrics.urlpatterns,
    path("", home.home, name="home"),
    path("accounts/", include("allauth.urls")),
    path("account/", include("authz.console.account_urls")),
    path("console/", pages.console.urls),
]

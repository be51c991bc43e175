"""Where people are sent to an issuer, and where they come back. allauth includes them under /accounts/."""

from typing import Any

from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from xaa.sign_in import trial
from xaa.sign_in.provider import Upstream
from xaa.sign_in.unreachable import RETRY_AFTER, UNREACHABLE


class _CallbackView(OAuth2CallbackView):  # type: ignore[misc]  # allauth is untyped
    def _get_state(self, request: HttpRequest, provider: Any) -> Any:
        state, response = super()._get_state(request, provider)
        self.adapter.state = state or {}
        return state, response


def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _view(OAuth2LoginView, request, provider_id)


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    if trial.is_trial(request):
        # A test of an administrator (xaa/sign_in/trial.py) ends in the console, and never reaches allauth.
        tested = reverse("admin:xaa_trustedissuer_tested", args=[provider_id])
        return HttpResponseRedirect(f"{tested}?{request.GET.urlencode()}")
    return _view(_CallbackView, request, provider_id)


def _view(view: Any, request: HttpRequest, provider_id: str) -> HttpResponse:
    try:
        answer: HttpResponse = view.adapter_view(Upstream(request, provider_id))(request)
    except SocialApp.DoesNotExist:
        raise Http404 from None
    if request.META.get(UNREACHABLE):
        answer.status_code = 503
        answer["Retry-After"] = str(RETRY_AFTER)
    return answer


urlpatterns = [
    path("oidc/<str:provider_id>/login/", login, name="openid_connect_login"),
    path("oidc/<str:provider_id>/login/callback/", callback, name="openid_connect_callback"),
]

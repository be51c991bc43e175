"""The pages by which people get another password: allauth's, and what the person came for outlives them.

The link comes by mail and names no request: with it, a stranger who asks for a mail would choose where its reader ends.
The session of the browser that asked keeps the address, so the same browser goes on with it.
"""

from typing import Any

from allauth.account.utils import get_next_redirect_url, passthrough_next_redirect_url
from allauth.account.views import PasswordResetFromKeyView, PasswordResetView
from allauth.core.internal.httpkit import add_query_params
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

CAME_FOR = "came_for"


def address(request: HttpRequest) -> str:
    """Where the link “Forgot your password?” of a sign-in page leads."""
    return str(passthrough_next_redirect_url(request, reverse("account_reset_password"), REDIRECT_FIELD_NAME))


class AskView(PasswordResetView):  # type: ignore[misc]  # allauth is untyped
    """“Send the link”."""

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        _keep(self.request, get_next_redirect_url(self.request, REDIRECT_FIELD_NAME))
        return answer

    def get_success_url(self) -> str:
        # Not to the address itself: the person has to look into the mailbox first.
        return str(self.passthrough_next_url(reverse("account_reset_password_done")))


class ChooseView(PasswordResetFromKeyView):  # type: ignore[misc]  # allauth is untyped
    """“Save the password”, by the link of a mail."""

    def logout(self) -> None:
        came_for = self.request.session.get(CAME_FOR)
        super().logout()
        _keep(self.request, came_for)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        again = _with(self.request, reverse("account_reset_password"))
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"ask_again_url": again}

    def get_success_url(self) -> str:
        return _with(self.request, reverse("account_reset_password_from_key_done"))


def _keep(request: HttpRequest, came_for: str | None) -> None:
    if came_for:
        request.session[CAME_FOR] = came_for
    else:
        request.session.pop(CAME_FOR, None)


def _with(request: HttpRequest, url: str) -> str:
    came_for = request.session.get(CAME_FOR)
    return str(add_query_params(url, {REDIRECT_FIELD_NAME: came_for})) if came_for else url

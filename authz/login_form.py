"""The sign-in form."""

from typing import Any

from allauth.account import forms


class LoginForm(forms.LoginForm):  # type: ignore[misc]  # allauth is untyped
    """allauth's, with the name filled in that a client hinted at.

    > login_hint: Hint to the Authorization Server about the login identifier the End-User might use to log in (OpenID
    > Connect Core §3.1.2.1)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        if hint := self.request.GET.get("login_hint"):
            self.initial.setdefault("login", hint)

"""What an agent can be when it is added: each kind has a short form, which fills in the rest of the registration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest

from authz.client_auth.credentials import new_client_id
from authz.console.agents.form import AgentForm
from authz.console.widgets.fields import PersonField
from authz.console.widgets.servers import OwnServerField
from authz.models import Client, ProtectedResource, User


class AddForm(AgentForm):
    """A few fields of the registration; `GRANTS` and `METHOD` are what the kind fills in. It is validated as the whole
    form is. The client_id is made with the page, so a form that is sent twice registers one agent.
    """

    FIELDS: Sequence[str] = ()
    GRANTS: Sequence[str] = ()
    METHOD = "none"

    owner = PersonField(
        required=False, help_text="The user name of the person who answers for it. Owners can't approve."
    )
    server = OwnServerField(
        ProtectedResource.objects.none(),
        required=False,
        to_field_name="identifier",
        label="MCP server",
        empty_label="Choose later",
        help_text="The one that it reaches first.",
    )

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        given = Client(grant_types=[*self.GRANTS], token_endpoint_auth_method=self.METHOD)
        super().__init__(*args, instance=given, **kwargs)
        shown = ("name", *self.FIELDS, "owner", "server", "client_id")
        self.fields = {name: self.fields[name] for name in shown}
        self.fields["client_id"].widget = forms.HiddenInput()
        self.initial["client_id"] = new_client_id()
        servers: Any = self.fields["server"]
        servers.queryset = ProtectedResource.objects.filter(is_active=True).order_by("name")
        if person.role == User.Role.DEVELOPER:
            # Its owner is the developer who adds it, and an approver decides.
            del self.fields["owner"]
            given.owner = person

    def _post_clean(self) -> None:
        # The field is hidden, so what is wrong with it stands above the form. A ModelForm validates its instance here.
        super()._post_clean()  # type: ignore[misc]  # it is not in the stubs
        for told in self.errors.get("client_id", ()):
            self.add_error(None, str(told))

    def save_more(self, request: HttpRequest, client: Client) -> None:
        """Save and record what belongs to the agent besides its row, in the same transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An answer to “What is it?”. It has a form, or leads to another page (`url_name`)."""

    title: str
    text: str
    order: int
    form: type[AddForm] | None = None
    url_name: str = ""
    permission: str = "authz.add_client"


_KINDS: dict[str, Kind] = {}


def offer(name: str, kind: Kind) -> None:
    """Offer a kind on the page that asks “What is it?”."""
    _KINDS[name] = kind


def offered(person: User) -> Mapping[str, Kind]:
    """The kinds that a person may add, in their order."""
    ordered = sorted(_KINDS.items(), key=lambda item: item[1].order)
    return {name: kind for name, kind in ordered if person.has_perm(kind.permission)}


class ScriptForm(AddForm):
    FIELDS = ("token_endpoint_auth_method", "client_jwks")
    GRANTS = ("client_credentials",)
    METHOD = "client_secret_basic"

    token_endpoint_auth_method = forms.ChoiceField(choices=(), label="It proves itself by", widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        method: Any = self.fields["token_endpoint_auth_method"]
        method.choices = [
            (self.METHOD, "A secret: the next page shows it once"),
            ("private_key_jwt", "A key: this browser makes it, and we get only the public half"),
        ]
        self.fields[
            "client_jwks"
        ].help_text = "Only with a key. Paste the public keys, or let this browser make a pair."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("token_endpoint_auth_method") == self.METHOD:
            cleaned["client_jwks"] = None
        return cleaned


class AppForm(AddForm):
    FIELDS = ("redirect_uris", "token_endpoint_auth_method")
    GRANTS = ("authorization_code", "refresh_token")

    token_endpoint_auth_method = forms.ChoiceField(choices=(), label="Where it runs", widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        method: Any = self.fields["token_endpoint_auth_method"]
        method.choices = [
            ("none", "On people's computers, on phones or in a browser: it can keep no secret"),
            ("client_secret_basic", "On a server: it gets a secret"),
        ]


offer(
    "script",
    Kind(
        title="A script or scheduled job",
        text="It acts for itself: a report at night, a sync, a bot. It proves itself by a secret or a key.",
        order=1,
        form=ScriptForm,
    ),
)
offer(
    "app",
    Kind(
        title="An app that people sign in to",
        text="It acts for the person in front of it: a desktop app, a web app, a chat. People sign in and consent.",
        order=2,
        form=AppForm,
    ),
)

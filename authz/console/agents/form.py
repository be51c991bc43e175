"""The form that registers and changes an agent."""

import string
from typing import Any, ClassVar

from django import forms

from authz import outbound, registry
from authz.client_auth.credentials import new_client_id
from authz.clients import identifiers
from authz.console.model_admin import Form
from authz.console.widgets.display import grant_label, method_label
from authz.console.widgets.fields import KeyField, KeysField, LinesField, PersonField, ShownField
from authz.models import Client
from authz.protocol import jwks, redirect_uris
from authz.protocol.display_names import UNSEEN, has_unseen


class AgentForm(Form):
    name = ShownField(max_length=255, help_text="Shown on the consent page.")
    client_id = forms.CharField(
        max_length=255, required=False, help_text="If empty, one is generated. It never changes."
    )
    owner = PersonField(required=False, help_text="The user name of the person who is responsible for it.")
    successor = PersonField(
        required=False, help_text="Who owns it once its owner has left. If empty, it is suspended some days after."
    )
    environment = KeyField(max_length=64, required=False, help_text="Such as production. Rules can name it.")
    grant_types = forms.MultipleChoiceField(
        choices=(), widget=forms.CheckboxSelectMultiple, help_text="The grants that it may use."
    )
    token_endpoint_auth_method = forms.ChoiceField(choices=(), label="Method")
    redirect_uris = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3}),
        label="Redirect URIs",
        help_text="One a line. Only agents that sign people in need them. A loopback URI matches any port.",
    )
    client_jwks = KeysField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 5, "data-keypair": ""}),
        label="Public keys (JWKS)",
        help_text="For private_key_jwt: public keys only. Paste them, or let this browser make a key pair.",
    )
    client_jwks_uri = forms.CharField(
        required=False,
        max_length=1024,
        label="Or a JWKS URL",
        help_text="For private_key_jwt: an https URL.",
    )
    scope = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3}),
        label="Scopes at most",
        help_text="One a line. If empty, the rules alone decide.",
    )
    tags = LinesField(
        required=False, widget=forms.TextInput(), help_text="Words, separated by spaces. Rules can name them."
    )

    class Meta:
        model = Client
        fields = (
            "name", "client_id", "owner", "successor", "environment", "tags", "client_uri", "grant_types",
            "redirect_uris", "token_endpoint_auth_method", "client_jwks", "client_jwks_uri", "reuse_assertions",
            "dpop_bound_access_tokens", "require_pushed_authorization_requests", "scope", "pending_answer",
        )  # fmt: skip
        labels: ClassVar = {
            "client_uri": "Home page",
            "reuse_assertions": "May reuse a client assertion",
            "require_pushed_authorization_requests": "It pushes its authorization requests (PAR)",
            "dpop_bound_access_tokens": "Its tokens are bound to its key",
            "pending_answer": "Answer while a request waits",
            "token_endpoint_auth_method": "Method",
            "client_jwks_uri": "JWKS URL",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field, choices, label in (
            ("grant_types", registry.grants(), grant_label),
            ("token_endpoint_auth_method", registry.client_auth_methods(), method_label),
        ):
            if field in self.fields:
                self.fields[field].choices = [(name, label(name)) for name in choices]  # type: ignore[attr-defined]
        for field, value in (("name", self.instance.name), ("grant_types", self.instance.grant_types)):
            # The configuration file may leave them out: then the form does not require them.
            if field in self.fields and self.instance.pk and not value:
                self.fields[field].required = False
        if "tags" in self.fields and isinstance(self.initial.get("tags"), list):
            self.initial["tags"] = " ".join(self.initial["tags"])

    def clean_client_id(self) -> str:
        client_id = self.cleaned_data["client_id"] or new_client_id()
        # An id that is a URL belongs to its metadata document: a registration must not take it over (attack 8).
        if not all(character in string.ascii_letters + string.digits + "-_." for character in client_id):
            raise forms.ValidationError("Letters, digits, “-”, “_” and “.” only.")
        if problem := identifiers.client_id_problem(client_id):
            raise forms.ValidationError(f"It {problem}.")
        if Client.all_objects.filter(client_id=client_id).exclude(ended=None).exists():
            raise forms.ValidationError(
                "An agent with this client_id was removed, and tokens named it. Choose another."
            )
        return str(client_id)

    # Whether this person may allow a private-use scheme: any other program may register it, too.
    may_name_schemes = False

    def clean_redirect_uris(self) -> str:
        uris, known = self.cleaned_data["redirect_uris"].split(), set(self.instance.redirect_uri_list)
        for uri in uris:
            # A value from the configuration file stays when another field changes.
            schemes = {redirect_uris.scheme_of(uri)} if self.may_name_schemes or uri in known else set()
            if problem := redirect_uris.problem(uri, custom_schemes=frozenset(schemes)):
                raise forms.ValidationError(f"{uri[:200]}: {problem.sentence}")
        return "\n".join(uris)

    def clean_tags(self) -> list[str]:
        if any(has_unseen(tag) for tag in self.cleaned_data["tags"]):
            raise forms.ValidationError(f"One {UNSEEN}.")
        # A tag from the configuration file may contain a space, which this field cannot show.
        given: list[str] = self.cleaned_data["tags"]
        return self.instance.tags if given == " ".join(self.instance.tags).split() else given

    def clean_scope(self) -> list[str] | None:
        # An empty list would mean no scope at all.
        return self.cleaned_data["scope"] or None

    def clean_client_jwks(self) -> Any:
        value = self.cleaned_data["client_jwks"]
        if value is not None and (problem := jwks.problem(value)):
            raise forms.ValidationError(f"It {problem}.")
        return value

    def clean_client_jwks_uri(self) -> str:
        value = str(self.cleaned_data["client_jwks_uri"])
        # A value from the configuration file stays when another field changes.
        if (
            value
            and value != self.instance.client_jwks_uri
            and not outbound.is_fetchable(value, outbound.Role.CLIENT_KEYS)
        ):
            raise forms.ValidationError("It must be an https URL.")
        return value

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        method = cleaned.get("token_endpoint_auth_method", self.instance.token_endpoint_auth_method)
        grants = cleaned.get("grant_types", self.instance.grant_types) or []
        has_key_errors = {"client_jwks", "client_jwks_uri"} & set(self.errors)
        has_one = bool(cleaned.get("client_jwks")) != bool(cleaned.get("client_jwks_uri"))
        if method == "private_key_jwt" and "client_jwks" in self.fields and not has_one and not has_key_errors:
            self.add_error("client_jwks", "private_key_jwt needs either keys or a JWKS URL.")
        needs_uris = "authorization_code" in grants and "redirect_uris" in self.fields
        if needs_uris and not cleaned.get("redirect_uris") and "redirect_uris" not in self.errors:
            self.add_error("redirect_uris", "The authorization code grant needs at least one.")
        # > The client credentials grant type MUST only be used by confidential clients. (RFC 6749 §4.4)
        if "client_credentials" in grants and method == "none" and "token_endpoint_auth_method" in self.fields:
            self.add_error(
                "token_endpoint_auth_method", "The client credentials grant needs an agent that authenticates."
            )
        return cleaned

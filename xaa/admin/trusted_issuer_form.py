"""The form of a trusted issuer."""

from functools import partial
from typing import Any, ClassVar

from django import forms

from authz.console.model_admin import Form
from authz.console.widgets.fields import KeysField, LinesField
from xaa.admin.fields import ClientIdsField, HostsField, IssuerField, checked
from xaa.configuration.issuer_keys import check_audience, check_keys, check_trust_domain
from xaa.configuration.trusted_issuers import address_problem
from xaa.models import (
    TrustedIssuer,
)
from xaa.models.sign_in_client import SCOPES
from xaa.models.trusted_issuer import GREATEST_LIFETIME, LEAST_LIFETIME, USUAL_LIFETIME
from xaa.public_clients import LIFETIME, LONGEST_LIFETIME, SHORTEST_LIFETIME


class TrustedIssuerForm(Form):
    issuer = IssuerField(max_length=512, strip=False, help_text="As it stands in “iss”, byte for byte.")
    accepts = forms.MultipleChoiceField(
        choices=TrustedIssuer.Use.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="It is believed in nothing else.",
    )
    match = forms.MultipleChoiceField(
        choices=TrustedIssuer.Match.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label="People are found by",
        help_text="A verified address links an identity once; from then on the identity counts.",
    )
    create = forms.BooleanField(required=False, label="Make a person at the first assertion about them")
    tenants = LinesField(
        required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="One a line. Empty: any tenant."
    )
    public_clients = HostsField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Clients without a secret",
        help_text="For Claude and others that are identified by a metadata document and have no secret: the hosts, one"
        " a line, whose documents may redeem this issuer's ID-JAGs without authenticating, such as claude.ai or"
        " *.example.com. Empty: every client authenticates.",
    )
    public_client_lifetime = forms.IntegerField(
        initial=LIFETIME,
        required=False,
        min_value=SHORTEST_LIFETIME,
        max_value=LONGEST_LIFETIME,
        label="Longest lifetime for these",
        help_text="In seconds. Raise it only if the issuer can't make its ID-JAGs short: until it ends, a stolen one"
        " that is still unused is as good as a secret.",
    )
    email_trusted = forms.BooleanField(
        required=False,
        label="Its addresses count without “email_verified”",
        help_text="For an issuer that hands out the addresses of its domains itself, and doesn't say that they are"
        " verified (Okta's ID-JAGs, Entra ID). Only within the domains below.",
    )
    email_domains = HostsField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Domains of its addresses",
        help_text="One a line. Where any are named, addresses of other domains find no person, verified or not."
        " “*.example.com” names those under it.",
    )
    client_ids = ClientIdsField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3, "spellcheck": "false"}),
        label="Client ids",
        help_text="For ID tokens: the audience at the issuer, and which of our agents it stands for, as JSON:"
        ' {"theirs": "ours"}.',
    )
    trusted_audiences = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        label="Other audiences of its ID tokens",
        help_text="One a line. For issuers that name several audiences in one ID token, such as ZITADEL, which adds the"
        " project: those that may stand beside the agent’s own. Empty: an ID token is for the agent alone.",
    )
    jwks = KeysField(
        required=False,
        label="Its keys (JWKS)",
        widget=forms.Textarea(attrs={"class": "code", "rows": 4, "spellcheck": "false"}),
        help_text="Where this server cannot ask for them: a private cluster, no way to the Internet. With an address"
        " too, both count. A key that the issuer rotates has to be changed here by hand.",
    )
    audience = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Where the platform fixes “aud” (Entra ID: “api://…”; AKS: the cluster's address; GitHub: the owner's"
        " address unless asked): each value that stands for this server beside its own issuer, exactly, one a line."
        " Whoever else takes that audience could use the assertion here.",
    )
    max_lifetime = forms.IntegerField(
        min_value=LEAST_LIFETIME,
        max_value=GREATEST_LIFETIME,
        initial=USUAL_LIFETIME,
        required=False,
        label="Longest lifetime, in seconds",
        help_text="Azure's managed identities need 86700. Less is safer: for this long a stolen assertion can be used.",
    )
    reuse = forms.BooleanField(
        required=False,
        label="An assertion serves until it expires",
        help_text="Where the platform hands out one token for an hour (projected service accounts, SPIRE, many CI jobs)"
        " and the agent asks more than once. Otherwise each serves once, and a stolen one is of no use after that.",
    )
    sign_in_client_id = forms.CharField(
        required=False,
        max_length=255,
        label="Client ID",
        help_text="What the issuer calls this server. Empty: nobody signs in by it.",
    )
    sign_in_secret = forms.CharField(
        required=False,
        max_length=512,
        strip=False,
        label="Client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Kept encrypted and never shown. Empty: it stays as it is.",
    )
    sign_in_scopes = LinesField(
        required=False, label="Scopes", widget=forms.Textarea(attrs={"rows": 2}), help_text="“openid” among them."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        client = getattr(self.instance, "sign_in", None) if self.instance.pk else None
        self.initial["sign_in_client_id"] = client.client_id if client else ""
        self.initial["sign_in_scopes"] = client.scopes if client else list(SCOPES)

    def clean_jwks(self) -> dict[str, Any] | None:
        given: dict[str, Any] | None = self.cleaned_data["jwks"]
        if given is not None:
            checked(lambda: check_keys(given))
        return given

    def clean_max_lifetime(self) -> int:
        return int(self.cleaned_data["max_lifetime"] or USUAL_LIFETIME)

    def clean_audience(self) -> list[str]:
        given: list[str] = self.cleaned_data["audience"]
        for value in given:
            checked(partial(check_audience, value))
        return given

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        has_keys = bool(given.get("jwks_uri") or given.get("jwks"))
        if problem := check_trust_domain(
            str(given.get("issuer", "")), accepts=given.get("accepts", []), has_keys=has_keys
        ):
            self.add_error("issuer", f"{problem[0].upper()}{problem[1:]}.")
        if problem := address_problem(given.get("email_trusted", False), given.get("email_domains", [])):
            self.add_error("email_domains", f"Trusting its addresses {problem}.")
        if given.get("public_client_lifetime") is None and "public_client_lifetime" not in self.errors:
            given["public_client_lifetime"] = LIFETIME
        if not given.get("sign_in_client_id"):
            return given
        if "openid" not in given.get("sign_in_scopes", ()):
            self.add_error("sign_in_scopes", "“openid” has to be among them.")
        if TrustedIssuer.Use.ID_TOKEN not in given.get("accepts", ()):
            self.add_error("accepts", "Signing in by it needs that it is believed for ID tokens.")
        return given

    class Meta:
        model = TrustedIssuer
        fields = (
            "name", "issuer", "enabled", "jwks_uri", "accepts", "match", "create", "groups_claim", "tenants",
            "client_ids", "trusted_audiences", "jwks", "audience", "max_lifetime", "reuse",
            "public_clients", "public_client_lifetime", "email_trusted", "email_domains",
        )  # fmt: skip
        labels: ClassVar = {"jwks_uri": "Address of its keys (JWKS)"}

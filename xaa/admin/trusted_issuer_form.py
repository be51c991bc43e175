"""The form of a trusted issuer."""

from functools import partial
from typing import Any, ClassVar

from django import forms

from authz.console.model_admin import Form
from authz.console.widgets.fields import KeysField, LinesField
from xaa.admin.fields import ClientIdsField, HostsField, IssuerField, checked
from xaa.configuration import sign_in
from xaa.configuration.issuer_keys import check_audience, check_keys, check_trust_domain
from xaa.configuration.trusted_issuers import address_problem
from xaa.models import SignInClient, TrustedIssuer
from xaa.models.sign_in_client import SCOPES, VOUCHING
from xaa.models.trusted_issuer import GREATEST_LIFETIME, LEAST_LIFETIME, USUAL_LIFETIME
from xaa.trusted_issuers.public_clients import LIFETIME, LONGEST_LIFETIME, SHORTEST_LIFETIME

# What the configuration file calls a field.
_FIELDS = {"sign_in": "sign_in_client_id", "issuer": "issuer", "subjects": "match"}


class TrustedIssuerForm(Form):
    issuer = IssuerField(max_length=512, strip=False, help_text="Exactly as in the claim “iss”.")
    accepts = forms.MultipleChoiceField(
        choices=TrustedIssuer.Use.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="Assertions of other kinds are refused.",
    )
    match = forms.MultipleChoiceField(
        choices=TrustedIssuer.Match.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label="People are found by",
        help_text="A verified email address links an identity once. Afterwards the identity alone counts.",
    )
    create = forms.BooleanField(required=False, label="Create a person at the first assertion")
    tenants = LinesField(
        required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="One a line. If empty, any tenant."
    )
    public_clients = HostsField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Hosts of their metadata documents",
        help_text="Hosts, one a line, such as claude.ai or *.example.com. Clients with a metadata document there may"
        " redeem this issuer's ID-JAGs without client authentication. If empty, every client authenticates.",
    )
    public_client_lifetime = forms.IntegerField(
        initial=LIFETIME,
        required=False,
        min_value=SHORTEST_LIFETIME,
        max_value=LONGEST_LIFETIME,
        label="Longest lifetime for these",
        help_text="Seconds. Raise it only if the issuer cannot make its ID-JAGs shorter: a stolen one can be redeemed"
        " once until it expires.",
    )
    email_trusted = forms.BooleanField(
        required=False,
        label="Email addresses count without “email_verified”",
        help_text="For an issuer that assigns the addresses of its domains and sends no “email_verified” (Okta's"
        " ID-JAGs, Entra ID). Only for the domains below.",
    )
    email_domains = HostsField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Domains of its addresses",
        help_text="One a line. If any is named, addresses of other domains find no person, verified or not."
        " “*.example.com” means its subdomains.",
    )
    client_ids = ClientIdsField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 3, "spellcheck": "false"}),
        label="Client ids",
        help_text="For ID tokens: a JSON object that maps an audience at the issuer to one of our agents, such as"
        ' {"theirs": "ours"}.',
    )
    trusted_audiences = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        label="Other audiences of its ID tokens",
        help_text="One a line. For issuers that put several audiences into an ID token, such as ZITADEL: those that may"
        " stand beside the agent’s own. If empty, the agent's audience has to be the only one.",
    )
    jwks = KeysField(
        required=False,
        label="Keys (JWKS)",
        widget=forms.Textarea(attrs={"class": "code", "rows": 4, "spellcheck": "false"}),
        help_text="For issuers that this server cannot reach, such as a private cluster. With a JWKS URL, both count."
        " When the issuer rotates a key, change it here.",
    )
    audience = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One a line, exactly: further values of “aud” that mean this server. For platforms that fix it (Entra"
        " ID: “api://…”; AKS: the cluster's address; GitHub: the owner's address by default). An assertion for another"
        " server with the same audience is accepted here, too.",
    )
    max_lifetime = forms.IntegerField(
        min_value=LEAST_LIFETIME,
        max_value=GREATEST_LIFETIME,
        initial=USUAL_LIFETIME,
        required=False,
        label="Longest lifetime, in seconds",
        help_text="Azure's managed identities need 86700. A stolen assertion can be used for as long as this.",
    )
    reuse = forms.BooleanField(
        required=False,
        label="An assertion can be used until it expires",
        help_text="For platforms that issue one token for an hour (projected service accounts, SPIRE, many CI jobs) to"
        " agents that ask more than once. Otherwise each assertion is accepted once.",
    )
    sign_in_client_id = forms.CharField(
        required=False,
        max_length=255,
        label="Client ID",
        help_text="This server's client ID at the issuer. If empty, people cannot sign in with this issuer.",
    )
    sign_in_secret = forms.CharField(
        required=False,
        max_length=512,
        strip=False,
        label="Client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Stored encrypted, never shown. If empty, it stays unchanged.",
    )
    sign_in_scopes = LinesField(
        required=False, label="Scopes", widget=forms.Textarea(attrs={"rows": 2}), help_text="“openid” is required."
    )

    sign_in_vouches = LinesField(
        required=False,
        label="Second factor vouched for by",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One a line: values of “acr” or “amr” by which the issuer says that the person has shown a second"
        " factor. Without one of them, roles of which one is demanded show one here, too.",
    )
    sign_in_logout_ends = forms.ChoiceField(
        required=False,
        choices=SignInClient.LogoutEnds.choices,
        label="Its back-channel logout ends",
        help_text="Agents usually keep what they were given.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        client = getattr(self.instance, "sign_in", None) if self.instance.pk else None
        self.initial["sign_in_client_id"] = client.client_id if client else ""
        self.initial["sign_in_scopes"] = client.scopes if client else list(SCOPES)
        self.initial["sign_in_vouches"] = client.vouches if client else list(VOUCHING)
        self.initial["sign_in_logout_ends"] = client.logout_ends if client else SignInClient.LogoutEnds.SIGN_IN

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
        self._check_sign_in(given)
        has_keys = bool(given.get("jwks_uri") or given.get("jwks"))
        if problem := check_trust_domain(
            str(given.get("issuer", "")), accepts=given.get("accepts", []), has_keys=has_keys
        ):
            self.add_error("issuer", f"{problem[0].upper()}{problem[1:]}.")
        if problem := address_problem(given.get("email_trusted", False), given.get("email_domains", [])):
            self.add_error("email_domains", f"Trusting its addresses {problem}.")
        if given.get("public_client_lifetime") is None and "public_client_lifetime" not in self.errors:
            given["public_client_lifetime"] = LIFETIME
        return given

    def _check_sign_in(self, given: dict[str, Any]) -> None:
        if not given.get("sign_in_client_id"):
            return
        found = sign_in.problem(
            str(given.get("issuer", "")),
            enabled=bool(given.get("enabled")),
            accepts=given.get("accepts", ()),
            scopes=given.get("sign_in_scopes", ()),
            match=given.get("match", ()),
            create=bool(given.get("create")),
        )
        if found:
            self.add_error(_FIELDS[found.field], found.sentence)

    class Meta:
        model = TrustedIssuer
        fields = (
            "name", "issuer", "enabled", "jwks_uri", "accepts", "match", "create", "groups_claim", "tenants",
            "aud_tenant",
            "client_ids", "trusted_audiences", "jwks", "audience", "max_lifetime", "reuse",
            "public_clients", "public_client_lifetime", "email_trusted", "email_domains",
        )  # fmt: skip
        labels: ClassVar = {"jwks_uri": "JWKS URL", "aud_tenant": "Our tenant"}
        help_texts: ClassVar = {
            "aud_tenant": "For an issuer that writes “aud_tenant” into its ID-JAGs (Okta: “Audience tenant ID”), as it"
            " does for servers with tenants: what it writes for this one. Any other is refused."
        }

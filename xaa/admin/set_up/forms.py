"""The forms of setting up an issuer: first which one it is, then the few fields of its use."""

from typing import Any

from django import forms

from authz.console.widgets.fields import KeysField, LinesField, ShownField
from xaa.admin.fields import HostsField
from xaa.trusted_issuers import guides
from xaa.trusted_issuers.guides import Finding, Guide, Use

_CODE = {"class": "mono", "spellcheck": "false", "autocomplete": "off"}


class IssuerForm(forms.Form):
    """Which issuer: the one thing that tells the organisation's own from others."""

    issuer = forms.CharField(max_length=512, widget=forms.TextInput(attrs=_CODE))

    def __init__(self, guide: Guide, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["issuer"].label = guide.ask
        self.fields["issuer"].help_text = f"Such as {guide.example}. A domain, or the whole issuer."


class SetUpForm(forms.Form):
    """What is asked for beside the issuer, which the page carries along."""

    issuer = forms.CharField(max_length=512, widget=forms.HiddenInput)
    name = ShownField(max_length=255)
    client_id = forms.CharField(
        max_length=255, label="Client ID", widget=forms.TextInput(attrs=_CODE), help_text="Of this server, there."
    )
    secret = forms.CharField(
        required=False,
        max_length=512,
        strip=False,
        label="Client secret",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Stored encrypted, never shown.",
    )
    finding = forms.ChoiceField(label="Who is a person here?", widget=forms.RadioSelect, choices=())
    domains = HostsField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        label="Domains of its addresses",
        help_text="One a line, such as example.com. Addresses of other domains find no person.",
    )
    jwks_uri = forms.CharField(required=False, max_length=1024, label="JWKS URL", widget=forms.TextInput(attrs=_CODE))
    jwks = KeysField(
        required=False,
        label="Keys (JWKS)",
        widget=forms.Textarea(attrs={"class": "code", "rows": 4, "spellcheck": "false"}),
        help_text="Only for an issuer that this server can't reach.",
    )
    audience = LinesField(
        required=False,
        widget=forms.Textarea(attrs={"class": "code", "rows": 2}),
        help_text="What the platform writes as aud, exactly: the application's id.",
    )

    def __init__(self, use: Use, preset: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.use, self.preset = use, preset
        guide = guides.GUIDES[use][preset]
        shown = {
            Use.PEOPLE: ("client_id", "secret", "finding", "domains"),
            Use.AGENTS: ("finding", "domains"),
            Use.JOBS: guide.fields,
        }[use]
        self.fields = {name: self.fields[name] for name in ("issuer", "name", *shown)}
        self.initial.setdefault("name", guides.preset_of(preset).label)
        if use is Use.JOBS:
            return
        finding: Any = self.fields["finding"]
        is_silent = guides.is_silent(use, preset)
        finding.choices = [(one.value, _WORDS[one]) for one in guides.findings(use, preset)]
        self.initial.setdefault("finding", Finding.ADDRESS.value)
        if is_silent:
            self.fields["domains"].help_text = (
                "One a line, such as example.com. It doesn't say that it has verified an address, so its addresses"
                " count only in the domains that are named here."
            )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        is_by_address = given.get("finding") == Finding.ADDRESS.value
        if is_by_address and guides.is_silent(self.use, self.preset) and not given.get("domains"):
            self.add_error("domains", "Name at least one: without it no address of this issuer counts.")
        return given

    def item(self) -> dict[str, Any]:
        return guides.item_of(self.use, self.preset, self.cleaned_data)


_WORDS = {
    Finding.ADDRESS: "People who are here already: the issuer's verified address finds them, once",
    Finding.CREATE: "All who may sign in there: a person is made at the first sign-in, and an address finds those who"
    " are here",
    Finding.LINK: "Only people that I link by hand, before it is switched on",
}

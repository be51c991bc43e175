"""What allauth asks us about second factors: the relying party's name, and which may be removed."""

from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator

from authz.conf import conf
from authz.keys.second_factors import Adapter as SealingAdapter
from authz.sign_in import second_factors


class Adapter(SealingAdapter):
    def _get_site_name(self) -> str:
        return f"Gatehouse at {urlsplit(conf.issuer).hostname}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        # > a valid domain string identifying the WebAuthn Relying Party (Web Authentication §4): the issuer's host,
        # never the Host header's (invariant 7).
        return {"id": urlsplit(conf.origin).hostname or "", "name": self._get_site_name()}

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        return not second_factors.why_kept(authenticator.user, authenticator)

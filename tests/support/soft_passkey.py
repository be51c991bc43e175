"""A passkey in software: what a browser posts after `navigator.credentials.create` and `.get`."""

import json
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

USER_PRESENT, USER_VERIFIED = 0x01, 0x04


@dataclass
class SoftPasskey:
    """For one relying party. `flags` say what the person did: a finger or a PIN is a verification."""

    rp_id: str
    origin: str
    flags: int = USER_PRESENT | USER_VERIFIED
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def created(self, options: dict[str, Any], **said: Any) -> str:
        """The credential for a page's creation options."""
        public = ES256.from_cryptography_key(self.key.public_key())
        attested = AttestedCredentialData.create(b"\0" * 16, self.credential_id, public)
        data = AuthenticatorData.create(self._rp_hash, self.flags | 0x40, 0, attested)
        response = {
            "clientDataJSON": websafe_encode(self._client_data("webauthn.create", options, said)),
            "attestationObject": websafe_encode(bytes(AttestationObject.create("none", data, {}))),
        }
        return self._credential(response, {"credProps": {"rk": True}})

    def got(self, options: dict[str, Any], user_handle: str = "", **said: Any) -> str:
        """The credential for a page's request options."""
        client_data = self._client_data("webauthn.get", options, said)
        data = AuthenticatorData.create(self._rp_hash, self.flags, 1)
        signature = self.key.sign(bytes(data) + sha256(client_data).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client_data),
            "authenticatorData": websafe_encode(bytes(data)),
            "signature": websafe_encode(signature),
            "userHandle": websafe_encode(user_handle.encode()),
        }
        return self._credential(response, {})

    @property
    def _rp_hash(self) -> bytes:
        return sha256(self.rp_id.encode()).digest()

    def _client_data(self, kind: str, options: dict[str, Any], said: dict[str, Any]) -> bytes:
        challenge = options["publicKey"]["challenge"]
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **said}
        return json.dumps(told).encode()

    def _credential(self, response: dict[str, str], results: dict[str, Any]) -> str:
        encoded = websafe_encode(self.credential_id)
        return json.dumps(
            {
                "id": encoded,
                "rawId": encoded,
                "type": "public-key",
                "response": response,
                "clientExtensionResults": results,
            }
        )

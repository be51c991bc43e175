from django.db import models

from xaa.models.trusted_issuer import TrustedIssuer

SCOPES = ("openid", "profile", "email")


def default_scopes() -> list[str]:
    return list(SCOPES)


class SignInClient(models.Model):
    """As which client of a trusted issuer we sign people in (OpenID Connect Core §3.1).

    `secret` is a ciphertext (xaa/sign_in/secret.py), empty where the issuer gave none: then PKCE alone protects the
    code.
    """

    issuer = models.OneToOneField(TrustedIssuer, on_delete=models.CASCADE, primary_key=True, related_name="sign_in")
    client_id = models.CharField(max_length=255)
    secret = models.BinaryField(default=b"", editable=False)
    scopes = models.JSONField(default=default_scopes)

    class Meta:
        verbose_name = "sign-in client"

    def __str__(self) -> str:
        return self.client_id

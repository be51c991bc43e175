from django.db import models

from xaa.models.trusted_issuer import TrustedIssuer

SCOPES = ("openid", "profile", "email")


# > mfa: Multiple-factor authentication (RFC 8176 §2)
VOUCHING = ("mfa",)


def default_scopes() -> list[str]:
    return list(SCOPES)


def default_vouching() -> list[str]:
    return list(VOUCHING)


class SignInClient(models.Model):
    """As which client of a trusted issuer we sign people in (OpenID Connect Core §3.1).

    `secret` is a ciphertext (xaa/sign_in/secret.py), empty where the issuer gave none: then PKCE alone protects the
    code.
    """

    class LogoutEnds(models.TextChoices):
        SIGN_IN = "sign_in", "The sign-in"
        ACCESS = "access", "The sign-in, and all that agents got in it"

    issuer = models.OneToOneField(TrustedIssuer, on_delete=models.CASCADE, primary_key=True, related_name="sign_in")
    client_id = models.CharField(max_length=255)
    secret = models.BinaryField(default=b"", editable=False)
    scopes = models.JSONField(default=default_scopes)
    logout_ends = models.CharField(
        max_length=16,
        choices=LogoutEnds.choices,
        default=LogoutEnds.SIGN_IN,
        db_default="sign_in",
        help_text="What a back-channel logout of the issuer ends.",
    )
    vouches = models.JSONField(
        default=default_vouching,
        db_default=list(VOUCHING),
        blank=True,
        help_text="Values of acr or amr by which the issuer vouches for a second factor; none if empty.",
    )

    class Meta:
        verbose_name = "sign-in client"

    def __str__(self) -> str:
        return self.client_id

from django.db import models


class SigningKey(models.Model):
    """A signing key: published, then signing, then retired, and removed when its last token has expired.

    `encrypted` is the private key's PKCS#8 DER, encrypted under a key from the environment (invariant 9). `public_jwk`
    is its entry in /jwks.
    """

    kid = models.CharField(max_length=64, primary_key=True, help_text="The RFC 7638 thumbprint.")
    alg = models.CharField(max_length=8)
    public_jwk = models.JSONField()
    encrypted = models.BinaryField(editable=False)
    published = models.DateTimeField()
    signs_from = models.DateTimeField()
    retired = models.DateTimeField(null=True, help_text="When it stopped signing.")
    expires = models.DateTimeField(null=True, help_text="When it leaves the JWKS.")

    class Meta:
        ordering = ["signs_from"]

    def __str__(self) -> str:
        return f"{self.alg} {self.kid[:8]}"

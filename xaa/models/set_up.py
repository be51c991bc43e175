"""How far the set-up of an issuer is: its last test sign-in, and a change that waits for one. Neither is configuration:
nothing that is decided depends on them.
"""

from django.db import models

from xaa.models.trusted_issuer import TrustedIssuer


class SignInTest(models.Model):
    """The last test sign-in that found a person. It speaks for the set-up that it was made with, by `digest`."""

    issuer = models.OneToOneField(
        TrustedIssuer, on_delete=models.CASCADE, primary_key=True, related_name="sign_in_test"
    )
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()
    by = models.CharField(max_length=255, help_text="The administrator who made it.")

    def __str__(self) -> str:
        return f"{self.issuer_id}: {self.at}"


class ProposedSetUp(models.Model):
    """A change of an issuer that signs people in, which waits for a test: what is in force is the issuer's own row."""

    issuer = models.OneToOneField(TrustedIssuer, on_delete=models.CASCADE, primary_key=True, related_name="proposed")
    values = models.JSONField(help_text="Column → value, of those that change.")
    sign_in = models.JSONField(help_text="client_id and scopes, as they will be.")
    secret = models.BinaryField(default=b"", editable=False, help_text="Encrypted; empty: the one that it has.")
    base = models.CharField(max_length=64, help_text="Digest of the row that the change was made to.")
    by = models.CharField(max_length=255)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.issuer_id}: {', '.join(self.values)}"

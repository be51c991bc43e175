from django.db import models


class Redemption(models.Model):
    """The answer to an ID-JAG that was redeemed, kept while its client may ask once more (xaa/redeeming/repeats.py)."""

    digest = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of the client and its request.")
    authorization = models.UUIDField()
    answer = models.BinaryField(help_text="Encrypted.")
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest[:8]

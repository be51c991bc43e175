from django.db import models


class UsedAssertion(models.Model):
    """An assertion (client assertion, ID-JAG, workload JWT) that was used: once means once (RFC 7523 §3, item 7).

    The unique pair is the check: claiming is one INSERT (authz/database/replay.py). `issuer` is part of it, so that two
    issuers that pick the same `jti` do not collide. Kept until the assertion could no longer be accepted anyway.
    """

    digest = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of issuer and jti.")
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest[:8]

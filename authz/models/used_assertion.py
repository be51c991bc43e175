from django.db import models


class UsedAssertion(models.Model):
    """A used assertion (client assertion, ID-JAG, workload JWT), so that none is accepted twice (RFC 7523 §3, item 7).

    The unique pair is the check: claiming is one INSERT (authz/database/replay.py). `issuer` is part of it, so equal
    `jti` of two issuers do not collide. It is kept until the assertion has expired.
    """

    digest = models.CharField(max_length=64, primary_key=True, help_text="SHA-256 of issuer and jti.")
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest[:8]

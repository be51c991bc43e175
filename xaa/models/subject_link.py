from django.conf import settings
from django.db import models


class SubjectLink(models.Model):
    """(issuer, tenant, sub) is this person.

    > A public subject identifier MUST be unique when scoped with issuer (`iss`+`sub`) for a single-tenant issuer and
    > MUST be unique when scoped with issuer and tenant (`iss`+`tenant`+`sub`) for multi-tenant issuer. (ID-JAG §3)

    So the three together are the key: the same `sub` of two issuers or tenants is two people (attack 23).
    """

    issuer = models.ForeignKey("xaa.TrustedIssuer", on_delete=models.CASCADE, related_name="links")
    tenant = models.CharField(max_length=255, blank=True, default="")
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subject_links")
    groups = models.JSONField(default=list, blank=True, help_text="The groups that the issuer last put the person in.")
    # Of these, the memberships that rest on the issuer's word alone (xaa/subjects/group_source.py).
    given = models.JSONField(default=list, db_default=[], editable=False)
    # The newest assertion whose word was taken, so that no older one is (xaa/subjects/subject_effects.py).
    said_at = models.FloatField(default=0, db_default=0, editable=False)  # its `iat`
    said_by = models.JSONField(default=list, db_default=[], editable=False)  # digests of those of that second
    words = models.BigIntegerField(default=0, db_default=0, editable=False)  # how many were taken
    # Seconds since the epoch. No assertion that was issued until then is believed: the issuer has ended the person's
    # sessions (xaa/signals/receiving/sign_outs.py).
    not_before = models.FloatField(default=0, db_default=0, editable=False)
    # The same for single agents: client_id → seconds. The issuer has ended what one agent has of the person.
    agents_not_before = models.JSONField(default=dict, db_default={}, editable=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "linked identity"
        verbose_name_plural = "linked identities"
        constraints = [
            models.UniqueConstraint(fields=["issuer", "tenant", "subject"], name="xaa_one_person_per_subject"),
            # One person has one identity at an issuer's tenant, so a recycled email address cannot inherit an account.
            models.UniqueConstraint(fields=["issuer", "tenant", "user"], name="xaa_one_subject_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"

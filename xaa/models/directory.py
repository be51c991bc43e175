"""Directories: who tells this server by SCIM which people and groups there are, and what each has told."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q


class Directory(models.Model):
    """A directory is that of one trusted issuer (and tenant), or of no issuer: then no issuer signs its people in."""

    class Subject(models.TextChoices):
        NONE = "", "None: people are found by their addresses"
        EXTERNAL_ID = "externalId", "externalId"
        USER_NAME = "userName", "userName"

    name = models.CharField(max_length=100, unique=True)
    issuer = models.ForeignKey(
        "xaa.TrustedIssuer",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="directories",
        help_text="The trusted issuer that signs these people in; empty: none does.",
    )
    tenant = models.CharField(max_length=255, blank=True, default="", help_text="Of a multi-tenant issuer: which one.")
    subject = models.CharField(
        max_length=16,
        blank=True,
        default="",
        choices=Subject,
        help_text="Which attribute of the directory is the issuer's `sub`.",
    )
    groups = models.JSONField(
        default=list,
        blank=True,
        help_text="The groups of the directory that count here, by name; “*” at the end stands for any rest.",
    )
    client = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="The agent whose access tokens count, too; empty: SCIM tokens alone.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "directories"
        constraints = [models.UniqueConstraint(fields=["issuer", "tenant"], name="xaa_one_directory_per_issuer")]

    def __str__(self) -> str:
        return self.name


class DirectoryContact(models.Model):
    """When the directory was last here, and what last went wrong. Not configuration."""

    directory = models.OneToOneField(Directory, on_delete=models.CASCADE, primary_key=True, related_name="contact")
    last = models.DateTimeField(null=True)
    failed = models.DateTimeField(null=True)
    failure = models.CharField(max_length=255, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.directory_id}: {self.last}"


class DirectoryToken(models.Model):
    """A SCIM token of one directory. Only its digest is kept."""

    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField()
    expires = models.DateTimeField()
    by = models.CharField(max_length=255)
    withdrawn = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.directory} until {self.expires:%Y-%m-%d}"


class DirectoryPerson(models.Model):
    """A person as a directory knows them (`/Users/{id}`). `user` is who that is here.

    `gone` is set once the directory has deleted the person: the row stays, without what it said, so that the same
    person is known again. `ended` is the cut-off that the directory's word made, which alone it may take back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="people")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="directory_people")
    user_name = models.CharField(max_length=255)
    user_name_key = models.CharField(max_length=765, db_index=True)  # folded: a character becomes three at the most
    external_id = models.CharField(max_length=255, blank=True, default="", db_index=True)
    attributes = models.JSONField(default=dict)
    active = models.BooleanField(default=True)
    made = models.BooleanField(default=False)  # the account was made for this entry, so its address is the directory's
    groups = models.JSONField(default=list, editable=False)
    given = models.JSONField(default=list, editable=False)  # as SubjectLink.given (xaa/subjects/group_source.py)
    version = models.PositiveIntegerField(default=1)
    created = models.DateTimeField()
    modified = models.DateTimeField()
    gone = models.DateTimeField(null=True)
    ended = models.ForeignKey("authz.CutOff", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["created", "id"]
        verbose_name = "person of a directory"
        verbose_name_plural = "people of directories"
        constraints = [
            models.UniqueConstraint(
                fields=["directory", "user_name_key"], condition=Q(gone=None), name="xaa_one_person_per_user_name"
            ),
            models.UniqueConstraint(
                fields=["directory", "external_id"],
                condition=Q(gone=None) & ~Q(external_id=""),
                name="xaa_one_person_per_external_id",
            ),
            models.UniqueConstraint(fields=["directory", "user"], name="xaa_one_entry_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user_name} of {self.directory}"


class DirectoryGroup(models.Model):
    """A group as a directory knows it (`/Groups/{id}`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="said_groups")
    display_name = models.CharField(max_length=150)
    display_key = models.CharField(max_length=450, db_index=True)
    external_id = models.CharField(max_length=255, blank=True, default="", db_index=True)
    version = models.PositiveIntegerField(default=1)
    created = models.DateTimeField()
    modified = models.DateTimeField()
    members = models.ManyToManyField(DirectoryPerson, related_name="said_groups")

    class Meta:
        ordering = ["created", "id"]
        verbose_name = "group of a directory"
        verbose_name_plural = "groups of directories"
        constraints = [
            models.UniqueConstraint(fields=["directory", "display_key"], name="xaa_one_group_per_name"),
            models.UniqueConstraint(
                fields=["directory", "external_id"], condition=~Q(external_id=""), name="xaa_one_group_per_external_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.display_name} of {self.directory}"

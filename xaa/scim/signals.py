"""What follows when a directory's row, or an entry of it, changes by another way than SCIM."""

from django.db.models.signals import post_delete, post_save

from xaa.models import Directory, DirectoryPerson
from xaa.scim import memberships


def connect() -> None:
    post_delete.connect(memberships.removed, sender=DirectoryPerson, dispatch_uid="xaa.scim.removed")
    post_save.connect(memberships.directory_changed, sender=Directory, dispatch_uid="xaa.scim.directory_changed")

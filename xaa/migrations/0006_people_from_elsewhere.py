"""People who have no password here and are linked to an issuer get none by mail (xaa/subjects/local_passwords.py)."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def mark(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    linked = apps.get_model("xaa", "SubjectLink").objects.values("user")
    people = apps.get_model("authz", "User").objects
    people.filter(pk__in=linked, password__startswith="!").update(is_from_elsewhere=True)  # noqa: S106  no password at all


class Migration(migrations.Migration):
    dependencies = [("xaa", "0005_newest_word"), ("authz", "0014_people_and_sign_in")]

    operations = [migrations.RunPython(mark, migrations.RunPython.noop)]

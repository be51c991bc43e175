from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import authz.models.user


def write_keys(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    people = apps.get_model("authz", "User").objects.using(schema_editor.connection.alias)
    batch = []
    for person in people.exclude(email="").only("pk", "email").iterator(1000):
        person.email_key = person.email.casefold()
        batch.append(person)
        if len(batch) == 1000:
            people.bulk_update(batch, ["email_key"])
            batch = []
    people.bulk_update(batch, ["email_key"])


class Migration(migrations.Migration):
    dependencies = [("authz", "0013_cut_off_marks")]

    operations = [
        migrations.AlterModelManagers(name="user", managers=[]),
        migrations.AddField(
            "user",
            "email_key",
            authz.models.user.AddressKeyField(db_default="", db_index=True, default="", editable=False, max_length=762),
        ),
        migrations.AddField(
            "user", "is_from_elsewhere", models.BooleanField(db_default=False, default=False, editable=False)
        ),
        migrations.AddField(
            "browsersession",
            "issuer",
            models.CharField(blank=True, db_default="", db_index=True, default="", max_length=512),
        ),
        migrations.RunPython(write_keys, migrations.RunPython.noop),
    ]

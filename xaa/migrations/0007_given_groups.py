"""Which memberships rest on an issuer's word alone. What an issuer had put a person in counts as such, as it did so far;
where the file or the console gives the same one, their next write makes it theirs."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def take_over(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("xaa", "SubjectLink").objects.update(given=models.F("groups"))


class Migration(migrations.Migration):
    dependencies = [("xaa", "0006_people_from_elsewhere")]

    operations = [
        migrations.AddField(
            model_name="subjectlink",
            name="given",
            field=models.JSONField(db_default=[], default=list, editable=False),
        ),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]

"""Browsers' sessions are found by their keys' digests. Those of the earlier table go on; it is left empty."""

import hashlib
from functools import reduce
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import migrations, models

EARLIER = "django_session"
AT_ONCE = 500


def take_over(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    if EARLIER not in connection.introspection.table_names():
        return
    sessions, people = apps.get_model("authz", "BrowserSession"), apps.get_model("authz", "User")
    known, store = set(people.objects.values_list("pk", flat=True)), SessionStore()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT session_key, session_data, expire_date FROM {EARLIER}")  # noqa: S608  a constant
        rows = cursor.fetchall()
        convert = sessions._meta.get_field("expire_date").get_db_converters(connection)
        convert += connection.ops.get_db_converters(sessions._meta.get_field("expire_date").get_col(EARLIER))
        for start in range(0, len(rows), AT_ONCE):
            made = []
            for key, data, ends in rows[start : start + AT_ONCE]:
                person = str(store.decode(data).get(SESSION_KEY, ""))
                made.append(
                    sessions(
                        digest=hashlib.sha256(key.encode()).hexdigest(),
                        session_data=data,
                        expire_date=reduce(lambda value, read: read(value, None, connection), convert, ends),
                        user_id=int(person) if person.isdecimal() and int(person) in known else None,
                    )
                )
            sessions.objects.bulk_create(made)
        cursor.execute(f"DELETE FROM {EARLIER}")  # noqa: S608  a constant


class Migration(migrations.Migration):
    dependencies = [
        ("authz", "0009_status_lists"),
    ]

    operations = [
        migrations.CreateModel(
            name="BrowserSession",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("session_data", models.TextField()),
                ("expire_date", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="browser_sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]

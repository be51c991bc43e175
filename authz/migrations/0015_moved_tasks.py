"""Periodic tasks are named by their module: rows of modules that have moved are removed, and are made anew when they run."""

from django.db import migrations

MOVED = (
    "authz.housekeeping",
    "authz.recertification",
    "authz.notification_delivery",
    "authz.expiring_approvals",
    "authz.console.counts",
)


def remove(apps, schema_editor):
    apps.get_model("authz", "PeriodicTask").objects.filter(name__in=MOVED).delete()


class Migration(migrations.Migration):
    dependencies = [("authz", "0014_people_and_sign_in")]

    operations = [migrations.RunPython(remove, migrations.RunPython.noop)]

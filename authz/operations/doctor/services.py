"""The configuration, registered agents, periodic tasks and mail."""

from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.core.mail import get_connection

from authz import registry
from authz.clients import identifiers
from authz.conf import conf
from authz.models import PeriodicTask, User
from authz.operations.doctor.finding import ERROR, SHOWN, WARNING, Finding

# A task is late when it has been due for so long.
LATE = 300.0


def configuration() -> Iterator[Finding]:
    for message in checks.run_checks(include_deployment_checks=True, databases=["default"]):
        if not message.is_silenced() and message.level >= checks.WARNING:
            level = ERROR if message.level >= checks.ERROR else WARNING
            yield Finding(
                level, "configuration", f"{message.id}: {message.msg}", message.hint or "See docs/settings.md."
            )


def agents() -> Iterator[Finding]:
    """Has a client the name of a person, a resource or an issuer? New ones are refused; older ones may exist."""
    found = list(identifiers.mistaken_clients())
    for client_id, problem in found[:SHOWN]:
        yield Finding(
            ERROR,
            "agents",
            f"The client_id {client_id} {problem}.",
            "Register it anew under another id, and retire this one: a resource server may take the one for the other.",
        )
    if len(found) > SHOWN:
        yield Finding(ERROR, "agents", f"{len(found) - SHOWN} more client_ids are like them.", "See above.")
    name = conf.default_successor
    if name and not User.objects.filter(username=name, is_active=True).exists():
        yield Finding(
            WARNING,
            "agents",
            f"GATEHOUSE_DEFAULT_SUCCESSOR names {name}, and no person of this user name is here.",
            "Name another one, or agents whose owners leave are suspended.",
        )


_RUN_THEM = "`python -m authz.serving` runs them beside its workers; with another server run `manage.py periodic`."


def periodic_tasks(now: float) -> Iterator[Finding]:
    """Does each scheduled task run in time, and successfully?"""
    rows = {row.name: row for row in PeriodicTask.objects.all()}
    for name, task in registry.periodic_tasks().items():
        row = rows.get(name)
        if row is None or now - row.due > LATE + task.EVERY:
            when = "never ran" if row is None or not row.due else f"was due {(now - row.due) / 60:.0f} minutes ago"
            yield Finding(ERROR, "periodic tasks", f"{name} {when}.", _RUN_THEM)
        elif row.due > now + task.EVERY + LATE:
            later = (row.due - now) / 60
            says = f"{name} is put off for {later:.0f} minutes: a clock was ahead, and nothing has run since."
            yield Finding(ERROR, "periodic tasks", says, _RUN_THEM)
        elif row.failures:
            yield Finding(
                ERROR,
                "periodic tasks",
                f"{name} has failed {row.failures} times in a row: {row.failure}",
                "The log of the `periodic` process has the whole story. It is tried again when it is next due.",
            )


def mail() -> Iterator[Finding]:
    if not settings.EMAIL_BACKEND.endswith(("mail_transport.EmailBackend", "smtp.EmailBackend")):
        return
    try:
        mailer = get_connection()
        mailer.open()
        mailer.close()
    except OSError as error:
        yield Finding(
            WARNING,
            "mail",
            f"The mail server does not take us: {error}",
            "See to EMAIL_URL: host, port, name, password.",
        )

from typing import Any

from django.core.management.base import BaseCommand

from authz.configuration import export
from authz.configuration.sections import unreadable


class Command(BaseCommand):
    help = "Write the configuration as the YAML that `apply` reads, without secrets."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(export(), ending="")
        # On standard error, so that it is seen when the output goes to a file.
        for sentence in unreadable():
            self.stderr.write(self.style.WARNING(sentence))

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from authz.extensions.listing import Listed, listed
from authz.management.as_json import as_json


class Command(BaseCommand):
    help = "An organisation's own extensions. The configuration switches them (docs/extensions.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="every extension, and its state")
        listing.add_argument("--json", action="store_true", help="as the API answers")

    def handle(self, *args: Any, **options: Any) -> None:
        found = listed()
        if options["json"]:
            return self.stdout.write(as_json([extension.as_item() for extension in found]))
        for extension in found:
            self.stdout.write("\n".join(_lines(extension)))
        if not found:
            self.stdout.write("No extension is installed.")
        return None


def _lines(extension: Listed) -> list[str]:
    package = f"{extension.package} {extension.version}".strip()
    lines = [f"{extension.state:13} {extension.identifier}  {package}".rstrip()]
    if extension.because:
        lines.append(f"    {extension.because}")
    if extension.title:
        lines.append(f"    {extension.title}: {', '.join(extension.brings) or 'nothing'}")
    if extension.fault:
        fault = extension.fault
        lines.append(f"    last fault, {fault.time:%Y-%m-%d %H:%M} UTC: {fault.part}: {fault.problem}")
    return lines

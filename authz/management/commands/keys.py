from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authz import keys
from authz.keys import reencryption
from authz.keys.stages import key_as_item
from authz.management.as_json import as_json
from authz.management.settings_checks import require_secret_key
from authz.models import SigningKey


class Command(BaseCommand):
    help = "Signing keys: list them, make the missing ones, rotate, retire. Stored secrets: move them to a new key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="every key, and what it does now")
        listing.add_argument("--json", action="store_true", help="as the API answers")
        actions.add_parser("ensure", help="make a key for each algorithm that has none")
        rotate = actions.add_parser("rotate", help="publish a successor, which signs when verifiers have seen it")
        rotate.add_argument("alg", choices=keys.ALGORITHMS, nargs="?", help="left out: every algorithm")
        rotate.add_argument(
            "--now",
            action="store_true",
            help="at once: the successor that was announced, or a new key (verifiers may need a moment)",
        )
        retire = actions.add_parser("retire", help="stop signing with a key")
        retire.add_argument("kid", help="put -- before one that begins with a dash")
        retire.add_argument("--compromised", action="store_true", help="take it out of the JWKS at once")
        actions.add_parser("reencrypt", help="move all stored secrets to the current GATEHOUSE_SECRET_KEY")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] in {"ensure", "rotate"}:
            require_secret_key()
        getattr(self, options["action"])(options, datetime.now(UTC))

    def list(self, options: dict[str, Any], now: datetime) -> None:
        if options["json"]:
            return self.stdout.write(as_json([key_as_item(key, now) for key in SigningKey.objects.all()]))
        for key in SigningKey.objects.all():
            self.stdout.write(f"{key.alg:6} {key.kid} {state(key, now)}")
        return None

    def ensure(self, options: dict[str, Any], now: datetime) -> None:
        for key in keys.ensure(now):
            self.stdout.write(f"made {key.alg} {key.kid}")

    def rotate(self, options: dict[str, Any], now: datetime) -> None:
        for alg in [options["alg"]] if options["alg"] else keys.ALGORITHMS:
            key = keys.rotate(alg, now=now, at_once=options["now"])
            done = "published" if key.published == now else "promoted"
            self.stdout.write(f"{done} {key.alg} {key.kid}, signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC")

    def retire(self, options: dict[str, Any], now: datetime) -> None:
        kid = options["kid"]
        try:
            key = keys.retire(kid, now=now, compromised=options["compromised"])
        except SigningKey.DoesNotExist:
            raise CommandError(f"there is no key {kid}: `keys list` lists them") from None
        self.stdout.write(f"retired {key.alg} {key.kid}, published until {key.expires:%Y-%m-%d %H:%M:%S} UTC")
        if not any(state(other, now).startswith("signing") for other in SigningKey.objects.filter(alg=key.alg)):
            self.stdout.write(
                f"no {key.alg} key is left to sign with: run `keys ensure` or `keys rotate {key.alg} --now`"
            )

    def reencrypt(self, options: dict[str, Any], now: datetime) -> None:
        done = reencryption.run()
        for name, count in done.moved.items():
            self.stdout.write(f"{name}: {count} moved to the current key")
        if done.unreadable:
            raise CommandError(
                "none of our keys opens "
                + ", ".join(done.unreadable)
                + ": give the key that they were encrypted under in GATEHOUSE_SECRET_KEY_FALLBACKS, and run this again"
            )


def state(key: SigningKey, now: datetime) -> str:
    """The stage of a key: published, signing, retired or gone."""
    if key.expires is not None and key.expires <= now:
        return "gone"
    if key.retired is not None and key.retired <= now:
        return f"retired, published until {key.expires:%Y-%m-%d %H:%M} UTC"
    if key.signs_from > now:
        return f"published, signs from {key.signs_from:%Y-%m-%d %H:%M} UTC"
    until = f" until {key.retired:%Y-%m-%d %H:%M} UTC" if key.retired else ""
    return f"signing{until}"

"""`python -m tests.bench.toolkit.prepare FAMILIES`: its database, clients, tokens to refresh and one to introspect."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.toolkit.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils.timezone import now  # noqa: E402
from oauth2_provider.models import AccessToken, Application, RefreshToken  # noqa: E402

SECRET = "nightly-report-secret-0123456789-0123456789"


def main(families: int) -> None:
    call_command("migrate", verbosity=0)
    bob = User.objects.create(username="bob")
    Application.objects.create(
        client_id="nightly-report",
        client_secret=SECRET,
        client_type="confidential",
        authorization_grant_type="client-credentials",
        user=bob,
    )
    app = Application.objects.create(
        client_id="desktop-app",
        client_type="public",
        authorization_grant_type="authorization-code",
        redirect_uris="https://app.example/callback",
        user=bob,
    )
    ends, lines = now() + timedelta(hours=1), []
    for number in range(families):
        access = AccessToken.objects.create(
            user=bob, application=app, token=f"access-{number}", expires=ends, scope="mcp:read introspection"
        )
        RefreshToken.objects.create(user=bob, application=app, token=f"refresh-{number}", access_token=access)
        lines.append(f"refresh-{number}\n")
    Path(os.environ["PEER_FOLDER"], "toolkit-refresh-tokens.txt").write_text("".join(lines))


if __name__ == "__main__":
    main(int(sys.argv[1]))

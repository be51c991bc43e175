"""`make bench`: the server's requests a second, beside a ceiling measured in the same run on the same machine."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz.settings")
django.setup()

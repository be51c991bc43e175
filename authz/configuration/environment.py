"""Secrets that a file on this machine names instead of holding: `client_secret_env: NAME`."""

import os
from typing import Any

from rest_framework import serializers


def take_secret(attrs: dict[str, Any], name: str) -> None:
    """Put the secret that `NAME_env` speaks of in the place of `NAME`. Raises `ValidationError`."""
    named = f"{name}_env"
    variable = attrs.pop(named, None)
    if variable is None:
        return
    if name in attrs:
        raise serializers.ValidationError({named: f"either {name} or {named}, not both"})
    if not os.environ.get(variable):
        raise serializers.ValidationError({named: f"{variable} is not set in the environment"})
    attrs[name] = os.environ[variable]

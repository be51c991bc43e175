"""`users:` local accounts. In production people sign in through the organisation's identity provider."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework import serializers

from authz import registry
from authz.authorizations import removal
from authz.configuration.shown_text import KeyField
from authz.models import User
from authz.sign_in import memberships, people

KEY = "users"
LOOKUP = "username"
SECRET = frozenset({"password"})


class UserSerializer(serializers.Serializer[Any]):
    username = KeyField(max_length=150)
    password = serializers.CharField(max_length=128, required=False, write_only=True, trim_whitespace=False)
    email = serializers.EmailField(max_length=254, default="", allow_blank=True)
    groups = serializers.ListField(child=KeyField(max_length=150), default=list)
    role = serializers.ChoiceField(choices=User.Role.values, default=User.Role.NONE)
    active = serializers.BooleanField(default=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "password" in attrs:
            person = User(username=attrs["username"], email=attrs["email"])
            try:
                validate_password(attrs["password"], person)
            except ValidationError as error:
                raise serializers.ValidationError({"password": list(error.messages)}) from None
        return attrs


SERIALIZER = UserSerializer


def natural_key(item: Mapping[str, Any]) -> str:
    return str(item["username"])


def rows() -> QuerySet[User]:
    sources = [source.PREFETCH for source in registry.group_sources()]
    return User.objects.prefetch_related("groups", *sources).order_by("username")


def as_item(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "password": user.password if user.has_usable_password() else "",
        "email": user.email,
        "groups": sorted(memberships.own(user)),
        "role": user.role,
        "active": user.is_active,
    }


def write(item: Mapping[str, Any]) -> None:
    user = User.objects.filter(username=item["username"]).first() or User(username=item["username"])
    password = item.get("password")
    if password is not None and user.is_emergency:
        raise serializers.ValidationError({"password": ["is made by the command emergency_account alone"]})
    if password is not None and user.pk and (why := registry.why_no_password(user)):
        raise serializers.ValidationError({"password": [why]})
    user.email = item["email"]
    user.role = item["role"]
    user.is_active = item["active"]
    # Hashed again only if it differs, so that applying twice changes nothing.
    if password is None:
        if not user.pk:
            user.set_unusable_password()
    elif not user.check_password(password):
        user.set_password(password)
        user.is_from_elsewhere = False
    user.save()
    people.vouch(user)
    memberships.set_own(user, item["groups"])


def loss(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> str:
    """Pruning that leaves no one, or no administrator, locks everyone out."""
    if before and not after:
        return f"names none, so pruning would remove all there are ({len(before)})"
    had, has = (any(map(_administers, found.values())) for found in (before, after))
    return "would leave no active administrator" if had and not has else ""


def _administers(item: Mapping[str, Any]) -> bool:
    return bool(item["active"] and item["role"] == User.Role.ADMINISTRATOR)


def remove(key: str) -> None:
    removal.remove(User.objects.get(username=key))

"""Who is in which group, and who decided it: this server (the file, the console, the API) or a group source.

A group source is another party that puts people into groups, such as a trusted issuer (`GROUP_SOURCES` of
authz/settings.py). A change here does not remove a source's memberships, and an export does not make them ours
(docs/decisions/0052-silence-is-not-no-groups.md).
"""

from collections.abc import Collection

from django.contrib.auth.models import Group
from django.dispatch import Signal

from authz import registry
from authz.models import User

# Code that writes memberships past Django's own signal of them sends this one: `people`, by primary key.
changed = Signal()


def own(user: User) -> frozenset[str]:
    """The groups that the person was put into here."""
    names = frozenset(group.name for group in user.groups.all())
    return names - given_elsewhere(user)


def given_elsewhere(user: User) -> frozenset[str]:
    """The groups that only a source gives the person."""
    return frozenset().union(*(source.given(user) for source in registry.group_sources()))


def set_own(user: User, names: Collection[str]) -> None:
    """Put the person into these groups, and out of all others that no source gives. Inside a transaction."""
    stays = frozenset().union(*(source.give_way(user, names) for source in registry.group_sources()))
    user.groups.set([Group.objects.get_or_create(name=name)[0] for name in sorted({*names, *stays})])

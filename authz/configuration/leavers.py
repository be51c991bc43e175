"""A file goes on naming an owner who has left: the agent does not go back to them (authz/approvals/succession.py)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from authz.models import Client

Status = Client.Status


@dataclass(frozen=True, slots=True)
class Stays:
    """An agent whose owner by the file has left. `owner` has it, "" if no one is here who could."""

    client_id: str
    named: str
    owner: str

    def line(self) -> str:
        has_left = f"{self.client_id}: its owner in the file, {self.named}, has left."
        if self.owner:
            return f"{has_left} It stays with {self.owner}: name {self.owner} in the file."
        return f"{has_left} It stays suspended until the file names an owner who is here."


def settle(attrs: dict[str, Any]) -> None:
    """Make a client's item say what stays: who has the agent now keeps it, and one that was suspended for want of an
    owner is not approved again without one."""
    owner = attrs["owner"]
    if owner is None or owner.is_active:
        return
    row = Client.objects.select_related("owner").filter(client_id=attrs["client_id"]).first()
    if row is None:
        return
    if row.owner is not None and row.owner.is_active:
        attrs["owner"] = row.owner
        if attrs["successor"] == row.owner:
            attrs["successor"] = None
    elif row.owner_left is not None and row.status == Status.SUSPENDED and attrs["status"] == Status.APPROVED:
        attrs["status"], attrs["approved_until"] = row.status, row.approved_until


def stays(items: object) -> Iterator[Stays]:
    """Of a file's `clients`, after they are applied."""
    given = items if isinstance(items, list) else []
    named = {one["client_id"]: one for one in given if isinstance(one, dict) and one.get("owner")}
    for row in Client.objects.select_related("owner").filter(client_id__in=named).order_by("client_id"):
        owner, said = row.owner, named[row.client_id]
        if owner is not None and owner.username != said["owner"]:
            yield Stays(row.client_id, said["owner"], owner.username)
        elif row.status == Status.SUSPENDED and said.get("status") == Status.APPROVED:
            yield Stays(row.client_id, said["owner"], "")


def as_items(found: Sequence[Stays]) -> list[Mapping[str, str]]:
    return [{"client_id": one.client_id, "named": one.named, "owner": one.owner} for one in found]

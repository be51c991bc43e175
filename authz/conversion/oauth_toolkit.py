"""Applications of django-oauth-toolkit, as `manage.py dumpdata oauth2_provider` writes them.

With `auth.user` (or another model of people) in the same file, applications keep their owners.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from authz.conversion.draft import Draft, OtherClient
from authz.conversion.reading import NotAnExportError, is_true, mapping, text

_GRANTS = {
    "authorization-code": ("authorization_code", "refresh_token"),
    "client-credentials": ("client_credentials",),
}
# Of what rests on the applications, nothing is carried over.
_ENDS = {
    "accesstoken": "access tokens end: clients get new ones",
    "refreshtoken": "refresh tokens end: people sign in once more",
    "grant": "authorization codes end",
    "idtoken": "ID tokens end",
    "devicegrant": "device codes end",
}


def convert(export: object, *, has_secrets: bool = False) -> Draft:
    """`export` is parsed JSON. Raises `NotAnExportError`."""
    rows = [row for row in export if isinstance(row, dict)] if isinstance(export, list) else []
    applications = [row for row in rows if _is_application(row)]
    if not applications:
        raise NotAnExportError("This is not an export of django-oauth-toolkit: it has no application.")
    draft = Draft("django-oauth-toolkit", has_secrets)
    usernames = {row.get("pk"): text(mapping(row, "fields"), "username") for row in rows}
    for row in applications:
        fields = mapping(row, "fields")
        if (client := _client(fields, _owner(fields, usernames), draft)) is not None:
            draft.add_client(client)
    for model, number in Counter(_model(row) for row in rows).items():
        if model in _ENDS:
            draft.leave_out(f"{number} of {model}", f"Not in this file: {_ENDS[model]}.")
    draft.leave_out("scopes", "They are in that server's settings: write them under `resources`, and rules for them.")
    return draft


def _model(row: Mapping[str, Any]) -> str:
    return text(row, "model").rpartition(".")[2].lower()


def _is_application(row: Mapping[str, Any]) -> bool:
    """Also one of a project's own model, which has another name."""
    return {"client_id", "authorization_grant_type"} <= mapping(row, "fields").keys()


def _owner(fields: Mapping[str, Any], usernames: Mapping[Any, str]) -> str:
    """By `--natural-foreign`, or by the people in the same file; "" if neither says it."""
    match fields.get("user"):
        case [str(username)]:
            return username
        case int(pk):
            return usernames.get(pk, "")
    return ""


def _client(fields: Mapping[str, Any], owner: str, draft: Draft) -> OtherClient | None:
    client_id, grant = text(fields, "client_id"), text(fields, "authorization_grant_type")
    what, is_public = f"client {client_id}", text(fields, "client_type") == "public"
    if text(fields, "registration_source") == "cimd":
        draft.leave_out(what, "Left out: it introduces itself by its metadata document again.")
        return None
    for sentence in _changes(fields, grant, owner, is_public=is_public):
        draft.leave_out(what, sentence)
    grants = () if is_public and grant == "client-credentials" else _GRANTS.get(grant, ())
    return OtherClient(
        client_id=client_id,
        name=text(fields, "name"),
        owner=owner,
        grant_types=grants,
        auth_method="none" if is_public else "client_secret_basic",
        secret=text(fields, "client_secret"),
        no_secret=_no_secret(fields),
        redirect_uris=tuple(text(fields, "redirect_uris").split()),
        post_logout_redirect_uris=tuple(text(fields, "post_logout_redirect_uris").split()),
    )


def _changes(fields: Mapping[str, Any], grant: str, owner: str, *, is_public: bool) -> Iterator[str]:
    """What is otherwise here, each as a sentence."""
    if grant not in _GRANTS:
        yield f"It uses the grant {grant}, which this server has not."
    elif is_public and grant == "client-credentials":
        yield "It uses client credentials without authenticating, which no one may."
    if is_true(fields, "skip_authorization"):
        yield "It skipped the consent page. Here people are asked once, and not again for the same."
    if text(fields, "algorithm") == "HS256":
        yield "Its ID tokens were signed with HS256. Here they are signed with a key that it finds in the metadata."
    if owner:
        yield f"Its owner is {owner}, who has to be a person here before `apply`."


def _no_secret(fields: Mapping[str, Any]) -> str:
    secret = text(fields, "client_secret")
    # `algorithm$…`, as Django's hashers write it. A field that says nothing means hashed.
    is_hashed = fields.get("hash_client_secret") is not False or secret.startswith(("pbkdf2_", "argon2$", "bcrypt"))
    if is_hashed:
        return "is stored as a hash there"
    return "" if secret else "is empty there"

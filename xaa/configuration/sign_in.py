"""Whether a person could ever sign in by an issuer as it is about to be stored: the rule of
xaa/trusted_issuers/usable.py with what the database knows.
"""

from collections.abc import Collection

from authz.conf import conf
from xaa.models import SubjectLink, TrustedIssuer
from xaa.trusted_issuers.usable import Problem, SetUp
from xaa.trusted_issuers.usable import problem as problem_of


def problem(
    issuer: str,
    *,
    enabled: bool,
    accepts: Collection[str],
    scopes: Collection[str],
    match: Collection[str],
    create: bool,
) -> Problem | None:
    """Why no person could sign in by it; None if one could."""
    found = SetUp(
        issuer=issuer,
        ours=conf.issuer,
        enabled=enabled,
        accepts=accepts,
        scopes=scopes,
        match=match,
        create=create,
        is_linked=_is_linked(issuer, match, create),
    )
    return problem_of(found)


def _is_linked(issuer: str, match: Collection[str], create: bool) -> bool:
    """Whether an identity is linked to it; or its row finds people in this very way already.

    The links of an issuer that counts may go one after the other. The file that set it up stays one that applies.
    """
    row = TrustedIssuer.objects.filter(issuer=issuer).select_related("sign_in").first()
    if row is None:
        return False
    is_so_already = row.enabled and hasattr(row, "sign_in") and (set(row.match), row.create) == (set(match), create)
    return is_so_already or SubjectLink.objects.filter(issuer=row).exists()

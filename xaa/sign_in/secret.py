"""The secret with which we are a client of an issuer: encrypted at rest (invariant 9), never in the configuration
cache.
"""

from authz.keys.secrets_at_rest import AtRest, decrypt, encrypt, moved
from xaa.models import ProposedSetUp, SignInClient

PURPOSE = "sign-in client secrets"


def sealed(secret: str, issuer: int) -> bytes:
    """As it is stored; `issuer` is the primary key. Empty for none."""
    return encrypt(secret.encode(), purpose=PURPOSE, about=str(issuer)) if secret else b""


def of(issuer: int) -> str:
    """The secret in clear, `""` if there is none. Raises `secrets_at_rest.WrongKeyError`."""
    return opened(SignInClient.objects.get(pk=issuer))


def opened(row: SignInClient | ProposedSetUp) -> str:
    return decrypt(bytes(row.secret), purpose=PURPOSE, about=str(row.pk)).decode() if row.secret else ""


def _moved(row: SignInClient | ProposedSetUp) -> bytes | None:
    return moved(bytes(row.secret), purpose=PURPOSE, about=str(row.pk)) if row.secret else None


AT_REST = AtRest(SignInClient, "secret", _moved)
PROPOSED_AT_REST = AtRest(ProposedSetUp, "secret", _moved)

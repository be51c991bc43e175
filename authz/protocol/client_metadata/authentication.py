"""How a client authenticates, and with which keys."""

from authz.protocol import jwks as key_sets
from authz.protocol.client_metadata.reading import Reading
from authz.protocol.client_metadata.shown import is_web_url
from authz.protocol.client_metadata.values import SECRET_METHODS
from authz.protocol.display_names import visible

SHARED_SECRETS = SECRET_METHODS | {"client_secret_jwt"}


def auth_method(reading: Reading) -> str:
    """The declared method, or else the strongest of those that the client offers, if both sides can do it."""
    declared = reading.members.get("token_endpoint_auth_method", "")
    choices = reading.strings("token_endpoint_auth_methods_supported", [])
    if not isinstance(declared, str) or choices is None:
        reading.refused("token_endpoint_auth_method", "It must be a string, and the choices a list of strings.")
        return reading.terms.default_auth_method
    offered = [declared, *choices] if declared else choices or [reading.terms.default_auth_method]
    strongest_first = sorted(reading.terms.auth_methods, key=lambda method: method != declared)
    # > the token_endpoint_auth_method property MUST NOT include client_secret_post, client_secret_basic,
    # > client_secret_jwt, or any other method based around a shared symmetric secret (CIMD §4.1)
    if declared in SHARED_SECRETS and declared not in reading.terms.auth_methods:
        reading.refused("token_endpoint_auth_method", f"{declared} needs a shared secret, which cannot be published.")
        return reading.terms.default_auth_method
    keys_problem = _keys_problem(reading)
    for method in strongest_first:
        if method not in offered or (method == "private_key_jwt" and keys_problem):
            continue
        if declared and method != declared:
            reading.narrowed("token_endpoint_auth_method", f"{visible(declared)} is not usable here: {method} instead.")
        else:
            reading.passed("token_endpoint_auth_method", method)
        return method
    problem = keys_problem if "private_key_jwt" in offered else "It is not supported here."
    reading.refused("token_endpoint_auth_method", problem or "It is not supported here.")
    return reading.terms.default_auth_method


def _keys_problem(reading: Reading) -> str:
    """Why private_key_jwt cannot be used with these keys; `""` if it can. Bad keys refuse the whole."""
    jwks, jwks_uri = reading.members.get("jwks"), reading.members.get("jwks_uri")
    # > The "jwks_uri" and "jwks" parameters MUST NOT both be present (RFC 7591 §2)
    if jwks is not None and jwks_uri is not None:
        reading.refused("jwks", "jwks and jwks_uri must not both be present.")
        return "Its keys are ambiguous."
    algorithm = reading.members.get("token_endpoint_auth_signing_alg")
    if algorithm is not None and str(algorithm) not in reading.terms.signing_algorithms:
        return "Its token_endpoint_auth_signing_alg is not supported here."
    if jwks_uri is not None:
        return _jwks_uri_problem(reading, jwks_uri)
    if jwks is None:
        return "private_key_jwt needs jwks or jwks_uri."
    problem = key_sets.problem(jwks)
    if problem and isinstance(jwks, dict) and not key_sets.is_readable(jwks):
        # A published private key is no secret any more.
        reading.refused("jwks", f"It {problem}.")
        return "Its keys cannot be used."
    return f"jwks {problem}." if problem else ""


def _jwks_uri_problem(reading: Reading, jwks_uri: object) -> str:
    if not isinstance(jwks_uri, str) or not is_web_url(jwks_uri):
        reading.refused("jwks_uri", "It must be an https URL.")
        return "Its keys cannot be fetched."
    return ""

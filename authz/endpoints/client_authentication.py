"""What the metadata says of how clients authenticate at an endpoint (RFC 8414 §2)."""

from collections.abc import Sequence

from authz import registry


def auth_methods(endpoint: str, methods: Sequence[str]) -> dict[str, object]:
    """The two members of the metadata for `endpoint`, such as `token_endpoint`."""
    members: dict[str, object] = {f"{endpoint}_auth_methods_supported": list(methods)}
    # > This metadata entry MUST be present if either of these authentication methods [private_key_jwt,
    # > client_secret_jwt] are specified in the "…_endpoint_auth_methods_supported" entry. (RFC 8414 §2)
    if algorithms := registry.signing_algorithms(methods):
        members[f"{endpoint}_auth_signing_alg_values_supported"] = algorithms
    return members

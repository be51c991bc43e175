"""The redirect URIs that are kept: those that policy allows (attack 6)."""

from authz.protocol import redirect_uris
from authz.protocol.client_metadata.reading import Reading
from authz.protocol.display_names import shortened, visible
from authz.protocol.host_patterns import matches_host

MAX_REDIRECT_URIS = 32


def kept(reading: Reading, grant_types: tuple[str, ...]) -> tuple[str, ...]:
    uris = reading.strings("redirect_uris", [])
    if uris is None:
        return ()
    if len(uris) > MAX_REDIRECT_URIS:
        reading.refused("redirect_uris", f"There are more than {MAX_REDIRECT_URIS}.")
        return ()
    found = [uri for uri in uris if _keeps_redirect_uri(reading, uri)]
    if found:
        reading.passed("redirect_uris", ", ".join(found))
    # > Clients using flows with redirection MUST register their redirection URI values. (RFC 7591 §2)
    if not found and "authorization_code" in grant_types:
        hosts = ", ".join(list(reading.hosts_left_out)[:5])
        missing = f" Missing in redirect_hosts of cimd: {hosts}." if hosts else ""
        reading.refused("redirect_uris", f"There is none that this server could send a person back to.{missing}")
    return tuple(found)


def _keeps_redirect_uri(reading: Reading, uri: str) -> bool:
    problem = redirect_uris.problem(uri, custom_schemes=reading.terms.custom_schemes)
    if problem is redirect_uris.Problem.SCHEME_NOT_ALLOWED:
        reading.narrowed("redirect_uris", f"{visible(uri)}: {problem.sentence}")
        return False
    if problem is not None:
        reading.refused("redirect_uris", f"{shortened(visible(uri))}: {problem.sentence}")
        return False
    shown = redirect_uris.display(uri)
    if shown.scheme == "https" and not _is_allowed_host(reading, shown.host):
        reading.narrowed(
            "redirect_uris",
            f"{uri}: its host is neither the client's own nor one that policy allows. An administrator who knows"
            f" that {shown.host} belongs to the same product adds it to redirect_hosts of cimd.",
        )
        reading.hosts_left_out[shown.host] = None
        return False
    return True


def _is_allowed_host(reading: Reading, host: str) -> bool:
    patterns = reading.terms.redirect_hosts
    if patterns is None:
        return True
    own = (reading.terms.host, f"*.{reading.terms.host}")
    return any(matches_host(pattern, host) for pattern in (*own, *patterns))

"""What people are shown of a client: its name, its page and its picture (attack 11)."""

from authz.protocol import redirect_uris
from authz.protocol.client_metadata.reading import Reading
from authz.protocol.display_names import imitates_a_host, mixes_scripts, shortened, visible
from authz.protocol.host_patterns import matches_host

MAX_URL = 1024


def client_name(reading: Reading) -> str:
    name = reading.members.get("client_name", "")
    if not isinstance(name, str):
        reading.refused("client_name", "It must be a string.")
        return ""
    shown = visible(name)
    if not shown:
        if "client_name" in reading.terms.required:
            reading.refused("client_name", "It is required, so that people see which agent they allow.")
        return ""
    # The host is what vouches for a client; its name must not look like another host's (attack 11).
    if reading.terms.host and imitates_a_host(name, reading.terms.host):
        reading.narrowed(
            "client_name", "It looks like a URL or another host's name: people are shown the host instead."
        )
        return ""
    if mixes_scripts(name):
        reading.narrowed("client_name", "It mixes letters of scripts that look alike: people are not shown it.")
        return ""
    if shown != name or len(shown) > len(shortened(shown)):
        reading.narrowed(
            "client_name",
            f"“{shortened(shown)}”: it is shown on one line, shortened, with unseen characters spelt out.",
        )
    else:
        reading.passed("client_name", f"“{shown}”")
    return shortened(shown)


def url(reading: Reading, name: str, *, same_host: bool = False) -> str:
    """A page or picture of the client's: left out if it is not a plain https URL (attack 11)."""
    value = reading.members.get(name, "")
    if value == "":
        return ""
    if not isinstance(value, str) or not is_web_url(value):
        reading.narrowed(name, "It is not an https URL that this server would show or fetch: left out.")
        return ""
    if same_host and reading.terms.host and not matches_host(reading.terms.host, redirect_uris.display(value).host):
        reading.narrowed(name, "It is on another host than the client: left out.")
        return ""
    reading.passed(name, shortened(value))
    return value


def is_web_url(url: str) -> bool:
    """Whether `url` is an absolute https URL that every reader reads alike."""
    return len(url) <= MAX_URL and url.startswith("https://") and redirect_uris.problem(url) is None

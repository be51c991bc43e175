"""The sender's address as proxies write it: a rule by network reads it."""

from typing import Any

import pytest

from authz.conf import conf
from authz.models import Rule
from tests.support import world
from tests.support.world import SECRET

HEADERS: list[tuple[str, str, bool]] = [
    ("x-forwarded-for", "192.0.2.7", True),
    ("x-forwarded-for", "192.0.2.7:51234", True),
    ("x-forwarded-for", '"192.0.2.7"', True),
    ("x-forwarded-for", '"192.0.2.7:51234"', True),
    ("x-forwarded-for", "  192.0.2.7  ", True),
    ("x-forwarded-for", "198.51.100.1, 192.0.2.7:1", True),
    ("x-forwarded-for", "::ffff:192.0.2.7", True),
    ("x-forwarded-for", "[::ffff:192.0.2.7]:443", True),
    ("x-forwarded-for", "[2001:db8::7]:443", True),
    ("x-forwarded-for", "2001:DB8:0::7", True),
    ("x-forwarded-for", "192.0.2.7, 198.51.100.1", False),
    ("x-forwarded-for", "198.51.100.1:192", False),
    ("x-forwarded-for", "unknown", False),
    ("x-forwarded-for", "192.0.2.007", False),
    ("forwarded", "for=192.0.2.7", True),
    ("forwarded", 'For="192.0.2.7:51234";proto=https', True),
    ("forwarded", 'for="[2001:db8::7]:4711"', True),
    ("forwarded", 'for=198.51.100.1, for="[2001:DB8::7]"', True),
    ("forwarded", "for=192.0.2.7;for=198.51.100.1", False),
    ("forwarded", "for=unknown", False),
    ("forwarded", "for=_hidden", False),
]


@pytest.mark.parametrize(("header", "written", "is_inside"), HEADERS)
def test_a_rule_by_network_reads_what_proxies_write(
    gatehouse: world.World, settings: Any, header: str, written: str, is_inside: bool
) -> None:
    rule = Rule.objects.get(name="Agents read notes")
    rule.definition["conditions"] = {"networks": ["192.0.2.0/24", "2001:db8::/32"]}
    rule.save()
    settings.GATEHOUSE = settings.GATEHOUSE | {"TRUSTED_PROXIES": ["10.0.0.0/8"], "PROXY_HEADER": header}
    answer: Any = gatehouse.browser.post(
        f"{conf.issuer_path}/token",
        "grant_type=client_credentials",
        content_type="application/x-www-form-urlencoded",
        headers={"authorization": world.basic_header("nightly-report", SECRET), header: written},
        REMOTE_ADDR="10.0.0.1",
    )
    assert (answer.status_code == 200) is is_inside, answer.content

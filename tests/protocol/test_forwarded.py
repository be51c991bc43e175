import time

import pytest

from authz.protocol import forwarded

# What proxies write for one hop.
ADDRESSES: list[tuple[str, str | None]] = [
    ("203.0.113.7", "203.0.113.7"),
    (" 203.0.113.7\t", "203.0.113.7"),
    ("203.0.113.7:51234", "203.0.113.7"),  # Azure Application Gateway, IIS
    ('"203.0.113.7"', "203.0.113.7"),
    ('"203.0.113.7:51234"', "203.0.113.7"),
    ("2001:db8::7", "2001:db8::7"),
    ("[2001:db8::7]", "2001:db8::7"),
    ("[2001:db8::7]:51234", "2001:db8::7"),
    ('"[2001:db8::7]:51234"', "2001:db8::7"),
    ("2001:DB8:0:0::7", "2001:db8::7"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
    ("fe80::1%eth0", "fe80::1"),
    ("unknown", None),
    ("_hidden", None),
    ("", None),
    ("-", None),
    ("proxy.example", None),
    ("203.0.113.7:http", None),
    ("203.0.113.7:123456", None),
    ("[2001:db8::7", "2001:db8::7"),
    ("[2001:db8::7]x", None),
    ("203.0.113", None),
    ("0x7f.0.0.1", None),
    ("127.1", None),
    ("203.0.113.007", None),
    ("１２７.0.0.1", None),
    ("'203.0.113.7'", None),
]


@pytest.mark.parametrize(("text", "address"), ADDRESSES)
def test_an_address_is_read_in_each_form(text: str, address: str | None) -> None:
    assert forwarded.address(text) == address


LISTS: list[tuple[str, str, list[str | None]]] = [
    ("x-forwarded-for", "", []),
    ("x-forwarded-for", " , ,", []),
    ("x-forwarded-for", "203.0.113.7, 10.0.0.1", ["203.0.113.7", "10.0.0.1"]),
    ("x-forwarded-for", "203.0.113.7:1,[2001:db8::7]:2 ,\t10.0.0.1", ["203.0.113.7", "2001:db8::7", "10.0.0.1"]),
    ("x-forwarded-for", "evil, 203.0.113.7", [None, "203.0.113.7"]),
    ("forwarded", "for=203.0.113.7", ["203.0.113.7"]),
    ("forwarded", "For=203.0.113.7;proto=https;by=10.0.0.1", ["203.0.113.7"]),
    ("forwarded", 'for="[2001:db8::7]:4711"', ["2001:db8::7"]),
    ("forwarded", 'for=203.0.113.7, for="[2001:db8::7]"', ["203.0.113.7", "2001:db8::7"]),
    ("forwarded", 'for=203.0.113.7;host="a,b;for=1.1.1.1", for=10.0.0.1', ["203.0.113.7", "10.0.0.1"]),
    ("forwarded", "proto=https", [None]),
    ("forwarded", "for=unknown, for=10.0.0.1", [None, "10.0.0.1"]),
    ("forwarded", "for=_gateway", [None]),
    ("forwarded", "for=203.0.113.7;for=198.51.100.1", [None]),  # which of them?
    ("forwarded", "203.0.113.7", [None]),
    ("forwarded", "a" * 5000, [None]),
]


@pytest.mark.parametrize(("header", "value", "hops"), LISTS)
def test_a_list_is_read_in_order(header: str, value: str, hops: list[str | None]) -> None:
    assert forwarded.hops(header, value) == hops


def test_no_value_makes_the_reader_look_again_and_again() -> None:
    def seconds(length: int) -> float:
        began = time.process_time()
        for value in ('"' * length, '"\\' * (length // 2), 'for="' + "\\a" * (length // 2), "=;," * (length // 3)):
            forwarded.forwarded(value)
        return time.process_time() - began

    seconds(1000)
    assert seconds(4000) < 8 * max(seconds(1000), 0.001)

"""Attack 35: a charset that a Content-Type claims. Python knows codecs that are none of text, and some that fail."""

import io

import pytest
from django.http import HttpResponse

from authz.serving.wsgi import people
from tests.support.world import World

CHARSETS = ["rot13", "base64", "hex", "undefined", "idna", "utf-7", "utf-16", "cp037", "iso-8859-1", "utf8", "none"]
TYPES = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json", "text/plain"]
PART = b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\nj\xc3\xbcrgen\xff\r\n--x--\r\n'
# Each way that reads: Django's, at the door of the authorization endpoint, the API's.
ADDRESSES = ["/accounts/login/", "/o/authorize", "/api/v1/agents", "/nowhere"]


def served(method: str, path: str, content_type: str, body: bytes = b"", query: str = "") -> HttpResponse:
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000", "HTTP_HOST": "127.0.0.1:8000", "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http",
    }  # fmt: skip
    # Not by the whole handler: it closes the database of the test.
    answer: HttpResponse = people.get_response(people.request_class(environ))
    return answer


@pytest.mark.parametrize("charset", CHARSETS)
def test_no_charset_breaks_a_page(gatehouse: World, charset: str) -> None:
    for path in ADDRESSES:
        for kind in TYPES:
            content_type = f"{kind}; charset={charset}"
            for method, body in (("GET", b""), ("POST", b"login=j%C3%BCrgen%FF\xff"), ("POST", PART)):
                answer = served(method, path, content_type, body, query="client_id=web%FF&next=%2F%FF")
                assert answer.status_code < 500, (method, path, content_type)


@pytest.mark.parametrize("charset", ["rot13", "iso-8859-1", "utf-16", "utf-8"])
def test_an_address_is_read_as_utf8_whatever_a_body_claims(gatehouse: World, charset: str) -> None:
    kind = f"text/plain; charset={charset}"
    answer = served("GET", "/console/login/", kind, query="next=%2Fconsole%2Fj%C3%BCrgen")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/console/j%C3%BCrgen")

"""A person at a browser without JavaScript: follows an authorization URL, signs in, reads the consent, allows.

Needs nothing but `requests`, so that every client of tests/interop/ can use it from its own environment.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

LOGIN_FIELDS = ("login", "username")
ALLOW = ("allow", "approve", "authorize", "authorise", "accept", "yes")
DENY = ("deny", "cancel", "no", "refuse")
ASK, BACK = "ask", "deny"


class CannotGoOn(Exception):
    """A page that offers the person nothing to do. Its text is the message."""


@dataclass(slots=True)
class Button:
    name: str
    value: str
    label: str = ""

    def says(self, words: tuple[str, ...]) -> bool:
        own = {self.value.casefold(), self.name.casefold(), *self.label.casefold().split()}
        return any(word in own for word in words)


@dataclass(slots=True)
class Form:
    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)


class Page(HTMLParser):
    """The forms of a page and its readable text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.title = ""
        self._form: Form | None = None
        self._button: Button | None = None
        self._silent = 0
        self._in_title = False
        self._text: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(attributes.get("action", ""), attributes.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag in {"script", "style"}:
            self._silent += 1
        elif tag == "title":
            self._in_title = True
        elif self._form is not None and "disabled" not in attributes:
            self._control(self._form, tag, attributes)

    def _control(self, form: Form, tag: str, attributes: dict[str, str]) -> None:
        name, value, kind = (
            attributes.get("name", ""),
            attributes.get("value", ""),
            attributes.get("type", "text").lower(),
        )
        if tag == "button" and attributes.get("type", "submit") == "submit":
            self._button = Button(name, value)
            form.buttons.append(self._button)
        elif tag == "input" and kind in {"submit", "image"}:
            form.buttons.append(Button(name, value, label=value))
        elif tag == "input" and name and kind != "button":
            ticked = kind not in {"checkbox", "radio"} or "checked" in attributes
            form.types[name] = kind
            if ticked:
                said = value if kind not in {"checkbox", "radio"} else value or "on"
                # Of several boxes with one name, each that is ticked is sent.
                form.fields.setdefault(name, []).append(said)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "button":
            self._button = None
        elif tag in {"script", "style"}:
            self._silent -= 1
        elif tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data.strip()
        elif not self._silent:
            self._text.append(data)
        if self._button is not None:
            self._button.label += data


@dataclass(slots=True)
class Person:
    """One person's browser: cookies live as long as the object does. `told` is called with each page and each
    pressed button.
    """

    username: str
    password: str
    consents: bool = True
    told: Callable[[str], None] = lambda _: None
    verify: bool | str = True
    session: requests.Session = field(default_factory=requests.Session)
    _tried: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.session.trust_env = False
        self.session.verify = self.verify

    def authorize(self, url: str) -> str:
        """Open an authorization URL and go on to its end. Answers the redirect to the client, which is not followed."""
        redirect_uri = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        return self.go(url, until=redirect_uri)

    def go(self, url: str, *, until: str) -> str:
        """Follow redirects and fill in forms up to the end. Raises `CannotGoOn`."""
        response = self._open("GET", url)
        for _ in range(20):
            if response.is_redirect:
                target = urljoin(response.url, response.headers["Location"])
                if _same_place(target, until):
                    return target
                response = self._open("GET", target)
                continue
            response = self._answer(response)
        raise CannotGoOn(f"no end in sight at {response.url}")

    def _open(
        self, method: str, url: str, data: dict[str, list[str]] | None = None, referer: str = ""
    ) -> requests.Response:
        headers = {"Accept": "text/html"} | ({"Referer": referer, "Origin": _origin(referer)} if referer else {})
        body, query = (data, None) if method == "POST" else (None, data)
        return self.session.request(
            method, url, data=body, params=query, headers=headers, allow_redirects=False, timeout=60
        )

    def _answer(self, response: requests.Response) -> requests.Response:
        page = Page(response.text)
        if response.status_code == 403 and (back := _button(page, BACK)) is not None:
            self.told(f"reads “{page.title}” and goes back to the application")
            return self._submit(response.url, *back)
        # What waits for an approval is asked for by a button.
        if response.status_code == 403 and self.consents and (found := _button(page, ASK)) is not None:
            self.told(f"reads “{page.title}” and asks for access")
            return self._submit(response.url, *found)
        if response.status_code != 200:
            raise CannotGoOn(f"{response.status_code} at {response.url}: {page.text[:600]}")
        for form in page.forms:
            if "password" in form.types.values():
                return self._sign_in(response.url, page, form)
        for form in page.forms:
            wanted = ALLOW if self.consents else DENY
            for button in form.buttons:
                if button.says(wanted):
                    self.told(f"reads “{page.title}” and presses “{' '.join(button.label.split()) or button.value}”")
                    return self._submit(response.url, form, button)
        raise CannotGoOn(f"nothing to press at {response.url}: {page.text[:600]}")

    def _sign_in(self, url: str, page: Page, form: Form) -> requests.Response:
        login = next((name for name in LOGIN_FIELDS if name in form.types), None)
        if login is None:
            raise CannotGoOn(f"no field for a user name at {url}: {sorted(form.types)}")
        if url in self._tried:
            raise CannotGoOn(f"{self.username} cannot sign in: {page.text[:600]}")
        self._tried.add(url)
        password = next(name for name, kind in form.types.items() if kind == "password")
        form.fields |= {login: [self.username], password: [self.password]}
        self.told(f"reads “{page.title}” and signs in as {self.username}")
        return self._submit(url, form, next(iter(form.buttons), None))

    def _submit(self, url: str, form: Form, button: Button | None) -> requests.Response:
        pressed = {button.name: [button.value]} if button and button.name else {}
        return self._open(form.method.upper(), urljoin(url, form.action), data=form.fields | pressed, referer=url)


def _button(page: Page, name: str) -> tuple[Form, Button] | None:
    return next(((form, button) for form in page.forms for button in form.buttons if button.name == name), None)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _same_place(url: str, other: str) -> bool:
    one, two = urlsplit(url), urlsplit(other)
    return (one.scheme, one.netloc, one.path or "/") == (two.scheme, two.netloc, two.path or "/")


if __name__ == "__main__":
    sys.stdout.write(Person(sys.argv[1], sys.argv[2]).authorize(sys.argv[3]) + "\n")

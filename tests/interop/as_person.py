"""A browser for clients that open one themselves ($BROWSER): python -m tests.interop.as_person USERNAME PASSWORD URL

Signs in, allows, and follows the redirect to the client, as soon as the client listens there.
"""

import sys
import time

import requests

from demo.browser import Person

PATIENCE = 20  # seconds

username, password, url = sys.argv[1:]
person = Person(username, password)
redirect = person.authorize(url)
deadline = time.monotonic() + PATIENCE
while True:
    try:
        person.session.get(redirect, timeout=30)
        break
    except requests.ConnectionError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.1)

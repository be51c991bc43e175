"""Logos: fetched through `authz.outbound`, re-encoded, and served from our own origin (CIMD §6.7; attacks 1, 11).

> Authorization servers … SHOULD prefetch the file at logo_uri and cache it … preventing the logo from being dynamically
> changed to confuse an end-user.

A logo stays as it was first fetched until the document names another URL. What cannot be used is left out.
"""

import hashlib
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO

from django.http import HttpRequest, HttpResponse
from django.urls import path
from PIL import Image as Pillow

from authz.conf import conf
from authz.endpoints.machine import machine_endpoint
from authz.models import Client
from authz.outbound import OutboundError, Role
from authz.outbound import fetch as fetch_outbound
from cimd.models import Document, Logo

SIZE = 96
MAX_SIDE = 2048
# Raster only: an SVG is a program.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


class UnusableImageError(ValueError):
    """Bytes that are not a picture we would draw."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, drawn anew as PNG, and the URL that it came from."""

    url: str
    png: bytes


def fetch(document: Document | None, url: str) -> Image | None:
    """The logo at `url`, or the one that we hold of that URL; None if there is none that could be shown."""
    if not url:
        return None
    held = Logo.objects.filter(document=document, url=url).first() if document is not None else None
    if held is not None:
        return Image(url, bytes(held.png))
    try:
        return Image(url, redrawn(fetch_outbound(Role.CLIENT_LOGO, url).body))
    except (OutboundError, UnusableImageError):
        return None


def redrawn(raw: bytes) -> bytes:
    """The first frame of a picture as a small PNG without anything but pixels. Raises `UnusableImageError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Pillow.open(BytesIO(raw), formats=_FORMATS) as picture:
                # The header says how large it is before anything is unpacked: a bomb stays packed.
                if not 0 < max(picture.size) <= MAX_SIDE:
                    raise UnusableImageError
                pixels = picture.convert("RGBA")
            pixels.thumbnail((SIZE, SIZE))
            plain = Pillow.new("RGBA", pixels.size)
            plain.paste(pixels)
            drawn = BytesIO()
            plain.save(drawn, "PNG")
    except (OSError, ValueError, SyntaxError, MemoryError, EOFError, Warning, Pillow.DecompressionBombError) as error:
        raise UnusableImageError from error
    return drawn.getvalue()


def keep(document: Document, image: Image | None) -> None:
    """Make `image` the document's logo; None leaves it without one."""
    if image is None:
        Logo.objects.filter(document=document).delete()
        return
    digest = hashlib.sha256(image.png).hexdigest()
    if Logo.objects.filter(document=document, digest=digest, url=image.url).exists():
        return
    Logo.objects.update_or_create(
        document=document,
        defaults={"url": image.url, "digest": digest, "png": image.png, "fetched": datetime.now(UTC)},
    )


def address(client: Client) -> str:
    """The path of a client's logo on our origin; `""` if it has none."""
    digest = Logo.objects.filter(document__client=client).values_list("digest", flat=True).first()
    return f"{conf.issuer_path}/client-logos/{digest}.png" if digest else ""


@machine_endpoint("GET", cors=False)
def serve(request: HttpRequest) -> HttpResponse:
    digest = request.path.rpartition("/")[2].removesuffix(".png")
    logo = Logo.objects.filter(digest=digest).first()
    if logo is None:
        return HttpResponse(status=404)
    response = HttpResponse(bytes(logo.png), content_type="image/png")
    # Its name is its content: it never changes.
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


urlpatterns = [path("client-logos/<str:name>", lambda request, name: serve(request))]

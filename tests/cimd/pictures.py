"""Pictures made on the spot."""

from collections.abc import Mapping
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo


def picture(kind: str, side: int = 64, text: Mapping[str, str] | None = None) -> bytes:
    info = PngInfo()
    for name, value in (text or {}).items():
        info.add_text(name, value)
    out = BytesIO()
    options = {"pnginfo": info} if kind == "PNG" else {}
    Image.new("RGB", (side, side), (200, 40, 40)).save(out, kind, **options)
    return out.getvalue()

"""
From the bytes of a picture to what a processor takes, as a person would see it: `convert("RGB")` alone would leave a turned
photo lying, make black letters on a transparent ground a black square, and 16-bit grey white.
"""

import base64
import io
from typing import Any, Dict

from failure import Failure


def picture_of(image: Dict[str, str]) -> Any:
    """RGB, upright as its EXIF data says, on white where it is transparent. Raises Failure of kind media."""
    from PIL import Image, ImageOps

    try:
        picture = Image.open(io.BytesIO(base64.b64decode(image["data"])))
        picture.load()
        return _rgb(ImageOps.exif_transpose(picture))
    except MemoryError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise Failure("media", "media_broken", f"{image['name']} cannot be read as a picture: {said}") from error


def _rgb(picture: Any) -> Any:
    from PIL import Image

    if picture.mode.startswith("I;16"):
        return _eight_bits(picture).convert("RGB")
    if not (picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info):
        return picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture.convert("RGBA"))
    return ground.convert("RGB")


def _eight_bits(picture: Any) -> Any:
    """Pillow would cut 16 bits off at 255 instead of scaling them."""
    import numpy
    from PIL import Image

    return Image.fromarray((numpy.asarray(picture).astype("uint16") >> 8).astype("uint8"))

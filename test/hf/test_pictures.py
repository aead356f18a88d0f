"""Pictures as a person would see them. Run by worker.test.ts."""

import base64
import io
import unittest

from PIL import Image

from failure import Failure
from pictures import picture_of


def read(picture, kind="PNG", **more):
    held = io.BytesIO()
    picture.save(held, kind, **more)
    return picture_of({"name": "a.png", "data": base64.b64encode(held.getvalue()).decode()})


class Pictures(unittest.TestCase):
    def test_black_on_a_transparent_ground_is_black_on_white(self):
        picture = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
        picture.putpixel((1, 2), (0, 0, 0, 255))
        for given, more in ((picture, {}), (picture.convert("LA"), {})):
            seen = read(given, **more)
            self.assertEqual((seen.mode, seen.getpixel((0, 0)), seen.getpixel((1, 2))), ("RGB", (255,) * 3, (0,) * 3))
        palette = Image.new("P", (2, 1))
        palette.putpalette([0, 0, 0, 0, 0, 0])
        palette.putpixel((1, 0), 1)
        seen = read(palette, transparency=0)
        self.assertEqual([seen.getpixel((0, 0)), seen.getpixel((1, 0))], [(255,) * 3, (0,) * 3])

    def test_sixteen_bits_are_scaled(self):
        self.assertEqual(read(Image.new("I;16", (1, 1), 0x8000)).getpixel((0, 0)), (128,) * 3)
        self.assertEqual(read(Image.new("I;16", (1, 1), 0xFFFF)).getpixel((0, 0)), (255,) * 3)

    def test_a_turned_one_stands_upright(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        self.assertEqual(read(Image.new("RGB", (4, 8)), "JPEG", exif=exif).size, (8, 4))

    def test_what_is_no_picture_is_named(self):
        with self.assertRaises(Failure) as raised:
            picture_of({"name": "b.png", "data": base64.b64encode(b"no").decode()})
        self.assertEqual(raised.exception.kind, "media")
        self.assertIn("b.png", str(raised.exception))


if __name__ == "__main__":
    unittest.main()

"""Texts on their way to a tokenizer. Run by worker.test.ts."""

import unittest

from prompting import _well_formed


class Texts(unittest.TestCase):
    def test_half_a_pair_is_marked_and_all_else_stays(self):
        self.assertEqual(_well_formed("a\ud800b"), "a\ufffdb")
        for text in (None, "", "naïve 東京 🙂", "\ufeffx"):
            self.assertEqual(_well_formed(text), text)


if __name__ == "__main__":
    unittest.main()

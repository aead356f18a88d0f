"""What comes of errors, with a stand-in for torch: no GPU is needed. Run by worker.test.ts."""

import sys
import types
import unittest
import weakref
from types import SimpleNamespace
from unittest import mock

import generating
from failure import Failure, is_out_of_memory

LOADED = SimpleNamespace(device=SimpleNamespace(type="cuda"))


class Cache:
    """As a prompt's: of use to nobody after an error."""


def fake_torch(is_broken, on_empty=lambda: None):
    def synchronize(_):
        if is_broken:
            raise RuntimeError("CUDA error: device-side assert triggered")

    module = types.ModuleType("torch")
    module.cuda = SimpleNamespace(device_count=lambda: 1, synchronize=synchronize, empty_cache=on_empty)
    return module


def generate(error, torch, held=None):
    def failing(*_):
        cache = Cache()
        if held is not None:
            held.append(weakref.ref(cache))
        raise error

    with mock.patch.dict(sys.modules, {"torch": torch}), mock.patch.object(generating, "_generate", failing):
        try:
            generating.generate(LOADED, {}, None, None)
        except Exception as raised:
            return raised
    raise AssertionError("no error")


class Errors(unittest.TestCase):
    def test_a_gpu_that_answers_leaves_the_worker(self):
        raised = generate(ValueError("x"), fake_torch(False))
        self.assertIsInstance(raised, Failure)

    def test_a_gpu_that_answers_no_more_ends_it(self):
        raised = generate(RuntimeError("device-side assert"), fake_torch(True))
        self.assertIsInstance(raised, generating.Broken)
        self.assertIn("device-side assert", str(raised))

    def test_what_an_answer_held_is_free_when_room_is_made(self):
        alive, held = [], []
        torch = fake_torch(False, lambda: alive.append(held[0]()))
        self.assertIsInstance(generate(MemoryError("no room"), torch, held), Failure)
        self.assertEqual(alive, [None])

    def test_out_of_memory_inside_another_error(self):
        try:
            try:
                raise MemoryError()
            except MemoryError as error:
                raise OSError("cannot load the weights") from error
        except OSError as error:
            self.assertTrue(is_out_of_memory(error))


class Sampling(unittest.TestCase):
    def test_a_temperature_that_no_float_stands_is_greedy(self):
        for asked, used in ((None, 0), (0, 0), (1e-40, 0), (1e-3, 1e-3)):
            sampling = generating._sampling({"temperature": asked, "seed": 1})
            self.assertEqual((sampling["temperature"], generating._generation(sampling)["do_sample"]), (used, used > 0))

    def test_what_is_not_asked_for_is_neutral(self):
        self.assertEqual(
            generating._sampling({"temperature": 1, "seed": 1}),
            {"temperature": 1, "repetition_penalty": 1.0, "seed": 1, "top_p": 1.0, "top_k": 0},
        )


if __name__ == "__main__":
    unittest.main()

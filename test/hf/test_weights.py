"""What a model's folder holds, by the names of its files. Run by worker.test.ts."""

import json
import os
import tempfile
import unittest

from failure import Failure
from weights import kind_of, missing_of, not_wanted, only_gguf, refuse_pickle


def folder_of(self, names, index=None):
    folder = tempfile.mkdtemp()
    self.addCleanup(lambda: __import__("shutil").rmtree(folder))
    for name in names:
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(json.dumps({"weight_map": {str(at): shard for at, shard in enumerate(index or [])}}))
    return folder


class Kinds(unittest.TestCase):
    def test_the_safe_ones_go_first_and_only_what_lies_in_the_folder_counts(self):
        self.assertEqual(kind_of(["pytorch_model.bin", "model.safetensors", "a.gguf"]), "safetensors")
        self.assertEqual(kind_of(["a.gguf", "pytorch_model-00001-of-00002.bin"]), "pickle")
        self.assertEqual(kind_of(["a.gguf", "training_args.bin", "x/model.safetensors"]), "gguf")
        self.assertIsNone(kind_of(["config.json", "training_args.bin"]))

    def test_pickle_only_where_it_is_allowed(self):
        refuse_pickle(["pytorch_model.bin"], "o/m", True)
        refuse_pickle(["pytorch_model.bin", "model.safetensors"], "o/m", False)
        with self.assertRaises(Failure) as raised:
            refuse_pickle(["pytorch_model.bin"], "o/m", False)
        self.assertEqual(raised.exception.class_name, "pickled_weights")
        self.assertIn("engines.huggingface.allow_pickle", str(raised.exception))

    def test_one_gguf_file_is_the_model_and_several_are_refused(self):
        self.assertEqual(only_gguf(["a.gguf", "config.json"], "o/m"), "a.gguf")
        self.assertIsNone(only_gguf(["a.gguf", "b.gguf", "model.safetensors"], "o/m"))
        with self.assertRaises(Failure) as raised:
            only_gguf(["a.gguf", "b.gguf"], "o/m")
        self.assertIn("absolute path", str(raised.exception))


class Downloads(unittest.TestCase):
    def test_one_kind_of_weights_is_fetched(self):
        self.assertTrue({"*.bin", "*.gguf"} <= set(not_wanted(["model.safetensors", "pytorch_model.bin"], "o/m", False)))
        self.assertNotIn("*.bin", not_wanted(["pytorch_model.bin"], "o/m", True))
        self.assertNotIn("*.gguf", not_wanted(["a.gguf"], "o/m", False))

    def test_what_cannot_be_loaded_is_not_fetched(self):
        for names in (["pytorch_model.bin"], ["a.gguf", "b.gguf"]):
            with self.assertRaises(Failure):
                not_wanted(names, "o/m", False)


class Missing(unittest.TestCase):
    def test_whole_ones(self):
        shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        self.assertEqual(missing_of(folder_of(self, ["config.json", "model.safetensors"])), [])
        self.assertEqual(missing_of(folder_of(self, ["config.json", "pytorch_model.bin"])), [])
        self.assertEqual(missing_of(folder_of(self, ["a.gguf"])), [])
        whole = folder_of(self, ["config.json", "model.safetensors.index.json", *shards], shards)
        self.assertEqual(missing_of(whole), [])

    def test_parts(self):
        shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        self.assertEqual(missing_of(folder_of(self, [])), ["config.json", "model.safetensors"])
        self.assertEqual(missing_of(folder_of(self, ["model.safetensors"])), ["config.json"])
        part = folder_of(self, ["config.json", "model.safetensors.index.json", shards[0]], shards)
        self.assertEqual(missing_of(part), [shards[1]])
        no_index = folder_of(self, ["config.json", shards[0]])
        self.assertEqual(missing_of(no_index), ["model.safetensors.index.json"])

    def test_a_link_to_nothing_is_absent(self):
        folder = folder_of(self, ["config.json"])
        os.symlink("../blobs/none", os.path.join(folder, "model.safetensors"))
        self.assertEqual(missing_of(folder), ["model.safetensors"])


if __name__ == "__main__":
    unittest.main()

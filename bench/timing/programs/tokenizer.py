"""Writes a tokenizer of words into a folder: a peer wants one even where it does not count tokens itself."""

import json
import os
import sys

from tokenizers import Tokenizer, models, pre_tokenizers

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
words = Tokenizer(models.WordLevel({"<unk>": 0, "word": 1}, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
words.save(os.path.join(folder, "tokenizer.json"))
with open(os.path.join(folder, "tokenizer_config.json"), "w") as config:
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}, config)

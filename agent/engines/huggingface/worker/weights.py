"""
What a model's folder holds, by the names of its files: pure, but for the indexes that it reads.

1. Pickled weights (pytorch_model*.bin) are programs: they are loaded only where the operator allows it (allow_pickle).
2. A folder that lacks a part, as an interrupted download leaves it, is told apart from a whole one.
"""

import fnmatch
import json
import os
import re
from typing import Dict, List, Optional, Sequence

from failure import Failure

_SHARD = re.compile(r"-\d{5}-of-\d{5}\.(safetensors|bin)$")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
# The same weights for other programs.
_NOT_OURS = ["*.msgpack", "*.h5", "*.onnx", "*.ot", "*.tflite", "*.pth", "onnx/*", "openvino/*", "original/*", "coreml/*"]


def kind_of(names: Sequence[str]) -> Optional[str]:
    """`safetensors`, `pickle` or `gguf`, in the order of preference; None: no weights."""
    for kind, pattern in (("safetensors", "*.safetensors"), ("pickle", "pytorch_model*.bin"), ("gguf", "*.gguf")):
        if _top(names, pattern):
            return kind
    return None


def only_gguf(names: Sequence[str], where: str) -> Optional[str]:
    """The one GGUF file of a folder without other weights."""
    if kind_of(names) != "gguf":
        return None
    files = _top(names, "*.gguf")
    if len(files) > 1:
        hint = "download one of them, and give its absolute path as the model"
        raise Failure("engine", "bad_option", f"{where} has several GGUF files ({', '.join(files[:5])}); {hint}")
    return files[0]


def refuse_pickle(names: Sequence[str], where: str, allow_pickle: bool) -> None:
    if allow_pickle or kind_of(names) != "pickle":
        return
    hint = "use a revision with safetensors, or convert it, or set engines.huggingface.allow_pickle on nodes that trust it"
    message = f"{where} has its weights only as pickle ({_top(names, 'pytorch_model*.bin')[0]}), which this node does not load"
    raise Failure("engine", "pickled_weights", f"{message}; {hint}")


def not_wanted(names: Sequence[str], where: str, allow_pickle: bool) -> List[str]:
    """Patterns of what is not to be downloaded of a repository with these files. Raises Failure for what cannot be used."""
    refuse_pickle(names, where, allow_pickle)
    only_gguf(names, where)
    others = {"safetensors": ["*.bin", "*.gguf"], "pickle": ["*.gguf"], "gguf": ["*.bin"], None: []}
    return [*_NOT_OURS, *others[kind_of(names)]]


def missing_of(folder: str) -> List[str]:
    """Names of what a folder lacks to be a model; empty when it is whole."""
    # A link whose file was never loaded counts as absent.
    names = [name for name in os.listdir(folder) if os.path.exists(os.path.join(folder, name))]
    kind = kind_of(names)
    if kind == "gguf":
        return []
    lacks = [] if "config.json" in names else ["config.json"]
    if kind is None:
        return [*lacks, "model.safetensors"]
    if "model.safetensors" in names:
        return lacks
    for index in _INDEXES:
        if index in names:
            return [*lacks, *sorted(set(_shards(os.path.join(folder, index)).values()) - set(names))]
    if any(_SHARD.search(name) for name in names) and "pytorch_model.bin" not in names:
        lacks.append(_INDEXES[0] if kind == "safetensors" else _INDEXES[1])
    return lacks


def _shards(index: str) -> Dict[str, str]:
    with open(index, encoding="utf-8") as opened:
        return json.load(opened)["weight_map"]


def _top(names: Sequence[str], pattern: str) -> List[str]:
    """Those that lie in the folder itself, sorted."""
    return sorted(name for name in names if "/" not in name and fnmatch.fnmatchcase(name, pattern))

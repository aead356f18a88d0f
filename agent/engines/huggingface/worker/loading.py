"""
From files to a model that can answer, on the devices this process was given: CUDA_VISIBLE_DEVICES holds the leased GPUs
and nothing else, or none.

1. Where GPUs were given, all of the model is on them: one that does not fit is refused, never split with main memory or
   the disk, because its times would be those of the split.
2. Code that comes with a model runs only where `trust_remote_code` says so.
3. Of the model's own generation settings only the ids of its special tokens are kept: what is not asked for is neutral.
"""

import time
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from failure import Failure, failure_of
from places import Found, find

_DTYPES = ("auto", "float32", "float16", "bfloat16")


@dataclass
class Loaded:
    model: Any
    """The processor of a vision-language model, else the tokenizer."""
    processor: Any
    tokenizer: Any
    sees: bool
    """Device of the inputs."""
    device: Any
    eos: List[int]
    pad: Optional[int]
    """Tokens that prompt and answer may have together, if the model says."""
    context: Optional[int]
    about: Dict[str, Any]


def load(spec: Dict[str, Any]) -> Loaded:
    began = time.monotonic_ns()
    try:
        return _load(spec, find(spec), began)
    except Exception as error:
        if "trust_remote_code" in str(error) and not spec["trust_remote_code"]:
            hint = "the suite has to set trust_remote_code, and this node engines.huggingface.allow_remote_code"
            message = f"{spec['model']} brings code of its own, which runs only where both allow it: {hint}"
            raise Failure("engine", "remote_code_refused", message) from error
        raise failure_of(error, "load_failed", f"loading {spec['model']}") from error


def _load(spec: Dict[str, Any], found: Found, began: int) -> Loaded:
    import torch
    import transformers

    if spec["dtype"] not in _DTYPES:
        raise Failure("engine", "bad_option", f"torch_dtype is {spec['dtype']}; it must be one of {', '.join(_DTYPES)}")
    if spec.get("threads"):
        torch.set_num_threads(spec["threads"])
    common: Dict[str, Any] = {"trust_remote_code": spec["trust_remote_code"], "local_files_only": True}
    gguf = {"gguf_file": found.gguf} if found.gguf else {}
    config = transformers.AutoConfig.from_pretrained(found.folder, **gguf, **common)
    sees = _sees(config)
    loader = transformers.AutoModelForImageTextToText if sees else transformers.AutoModelForCausalLM
    placing = _placing(spec)
    # Pickles are refused by their names before; this is for whatever else names a file (weights.py, invariant 1).
    kept_safe = {} if gguf or spec["allow_pickle"] else {"use_safetensors": True}
    model = loader.from_pretrained(found.folder, dtype=spec["dtype"], **placing, **gguf, **kept_safe, **common)
    model.eval()
    _refuse_elsewhere(model, spec)
    if sees:
        processor = transformers.AutoProcessor.from_pretrained(found.folder, **common)
        tokenizer = getattr(processor, "tokenizer", None) or processor
        # Older models have it with their tokenizer alone, where a processor does not look.
        if not getattr(processor, "chat_template", None):
            processor.chat_template = getattr(tokenizer, "chat_template", None)
    else:
        processor = tokenizer = transformers.AutoTokenizer.from_pretrained(found.folder, **gguf, **common)
    own = model.generation_config
    eos = _ids(own.eos_token_id) or _ids(getattr(tokenizer, "eos_token_id", None))
    pads = _ids(own.pad_token_id) or _ids(getattr(tokenizer, "pad_token_id", None)) or eos[:1]
    kept = {"bos_token_id": own.bos_token_id, "decoder_start_token_id": own.decoder_start_token_id}
    model.generation_config = transformers.GenerationConfig(**kept)
    if placing:
        for gpu in range(torch.cuda.device_count()):
            torch.cuda.synchronize(gpu)
    text_config = config.get_text_config()
    template = getattr(processor, "chat_template", None)
    about = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "architecture": type(model).__name__,
        "sees": sees,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weight_bytes": sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()),
        "dtype": str(model.dtype).replace("torch.", ""),
        "devices": sorted({str(parameter.device) for parameter in model.parameters()}),
        "folder": found.folder,
        "gguf": found.gguf,
        "commit": found.commit,
        "pinned": found.pinned,
        "chat_template": bool(template),
        "threads": torch.get_num_threads(),
        "load_ns": time.monotonic_ns() - began,
    }
    context = getattr(text_config, "max_position_embeddings", None)
    device = next(model.parameters()).device
    return Loaded(model, processor, tokenizer, sees, device, eos, pads[0] if pads else None, context, about)


def _sees(config: Any) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as TEXT
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as VISION

    kind = config.model_type
    auto_map = getattr(config, "auto_map", None) or {}
    if kind in VISION:
        # Some kinds stand in both lists; what has eyes says so in its configuration.
        return kind not in TEXT or getattr(config, "vision_config", None) is not None
    return "AutoModelForImageTextToText" in auto_map


def _placing(spec: Dict[str, Any]) -> Dict[str, Any]:
    """What `from_pretrained` is told of devices; nothing for the CPU."""
    import torch

    wanted = spec["gpus"]
    if wanted == 0:
        return {}
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if there != wanted:
        hint = "see `nvidia-smi -L`, and whether this torch was built for the driver's CUDA"
        raise Failure("engine", "no_gpu", f"{wanted} GPUs were leased, torch sees {there}; {hint}")
    most: Dict[int, int] = {}
    for gpu in range(wanted):
        total = torch.cuda.get_device_properties(gpu).total_memory
        most[gpu] = min(int(total * spec["memory_share"]), spec.get("memory_bytes") or total)
        # For all that comes after the weights, too.
        torch.cuda.set_per_process_memory_fraction(min(1.0, most[gpu] / total), gpu)
    if wanted == 1:
        return {"device_map": {"": 0}}
    return {"device_map": spec.get("device_map") or "auto", "max_memory": most}


def _refuse_elsewhere(model: Any, spec: Dict[str, Any]) -> None:
    if spec["gpus"] == 0:
        return
    placed = {str(where) for where in (getattr(model, "hf_device_map", None) or {}).values()}
    placed |= {parameter.device.type for parameter in model.parameters()}
    elsewhere = sorted(placed & {"cpu", "disk", "meta"})
    if elsewhere:
        hint = "lease more or larger GPUs, raise engines.huggingface.max_memory_per_gpu, or use a narrower dtype"
        message = f"the model does not fit on the leased GPUs: parts of it would be on {' and '.join(elsewhere)}; {hint}"
        raise Failure("oom", "partial_offload", message)


def _ids(value: Any) -> List[int]:
    if value is None:
        return []
    return [int(one) for one in value] if isinstance(value, (list, tuple)) else [int(value)]

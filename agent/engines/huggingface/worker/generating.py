"""
One answer: from the prompt's tokens (prompting.py) to the answer's, and each new token is told as it comes.

1. Greedy unless a temperature above 0 is asked for. What is used is told with the answer, a seed that was drawn included.
2. Each new token is one event, at the moment it exists: they are told from where generation is asked whether to stop.
"""

import random
import time
import traceback
from typing import Any, Callable, Dict, List, Optional

from failure import Failure, failure_of
from loading import Loaded
from prompting import inputs_of
from text import StopTexts, TextOfTokens


class Aborted(Exception):
    pass


class Broken(Exception):
    """The GPU answers nothing any more to this process: only a new one helps."""


class Telling:
    """Hears of each token before generation goes on (transformers calls it as a stopping criterion)."""

    def __init__(self, loaded: Loaded, prompt: List[int], stops: List[str], tell: Callable[[int, str, int], None],
                 is_aborted: Callable[[], bool]) -> None:
        tokenizer = loaded.tokenizer

        def decode(ids: Any) -> str:
            return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

        self._text = TextOfTokens(decode, prompt)
        self._stops = StopTexts(stops)
        self._eos = set(loaded.eos)
        self._tell = tell
        self._is_aborted = is_aborted
        self.pieces: List[str] = []
        self.count = 0
        self.ended = False
        self.first_ns: Optional[int] = None
        self.last_ns: Optional[int] = None

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        stop = self._heard(int(input_ids[0, -1]))
        return torch.full((input_ids.shape[0],), stop, device=input_ids.device, dtype=torch.bool)

    def _heard(self, token: int) -> bool:
        if self._is_aborted():
            raise Aborted()
        if token in self._eos:
            self.ended = True
            return True
        now = time.monotonic_ns()
        self.count += 1
        self.first_ns = self.first_ns or now
        self.last_ns = now
        self._say(self._stops.push(self._text.push(token)), now)
        self.ended = self._stops.stopped
        return self.ended

    def finish(self) -> str:
        if not self._stops.stopped:
            rest = self._stops.push(self._text.rest())
            self._say(rest + self._stops.rest(), time.monotonic_ns(), False)
        return "".join(self.pieces)

    def _say(self, piece: str, now: int, always: bool = True) -> None:
        if piece:
            self.pieces.append(piece)
        if piece or always:
            self._tell(self.count, piece, now)


def generate(loaded: Loaded, request: Dict[str, Any], tell: Callable[[int, str, int], None],
             is_aborted: Callable[[], bool]) -> Dict[str, Any]:
    """The answer's `done` event, without its id. Raises Failure, Aborted, or Broken."""
    try:
        return _generate(loaded, request, tell, is_aborted)
    except Aborted:
        raise
    except Exception as error:
        failure = failure_of(error, "generation_failed", "answering")
        # What the frames it came through still hold, the prompt and its cache, can be freed.
        traceback.clear_frames(error.__traceback__)
        if failure.kind == "oom":
            _make_room(loaded)
        _refuse_broken(loaded, failure)
        raise failure from error


def _generate(loaded: Loaded, request: Dict[str, Any], tell: Callable[[int, str, int], None],
              is_aborted: Callable[[], bool]) -> Dict[str, Any]:
    import torch
    import transformers

    began = time.monotonic_ns()
    settings = request["settings"]
    inputs, flags = inputs_of(loaded, request)
    prompt = int(inputs["input_ids"].shape[1])
    most = _room(loaded, settings, prompt)
    sampling = _sampling(settings)
    torch.manual_seed(sampling["seed"])
    if loaded.device.type == "cuda":
        for gpu in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(gpu)
    telling = Telling(loaded, inputs["input_ids"][0].tolist(), settings.get("stop") or [], tell, is_aborted)
    ids = {"eos_token_id": loaded.eos or None, "pad_token_id": loaded.pad}
    config = transformers.GenerationConfig(max_new_tokens=most, **_generation(sampling), **ids)
    with torch.inference_mode():
        stopping = transformers.StoppingCriteriaList([telling])
        loaded.model.generate(**inputs, generation_config=config, stopping_criteria=stopping)
    text = telling.finish()
    figures = {"total_ns": time.monotonic_ns() - began, "max_new_tokens": most, **sampling, **_memory(loaded)}
    if telling.first_ns is not None and telling.last_ns is not None:
        figures["prompt_ns"] = telling.first_ns - began
        figures["eval_ns"] = telling.last_ns - telling.first_ns
    return {
        "event": "done",
        "text": text,
        "finish": "stop" if telling.ended else "length",
        "tokens_in": prompt,
        "tokens_out": telling.count,
        "flags": flags,
        "figures": figures,
    }


def _room(loaded: Loaded, settings: Dict[str, Any], prompt: int) -> int:
    """How many tokens the answer may have."""
    limits = [limit for limit in (settings.get("num_ctx"), loaded.context) if limit]
    room = min(limits) - prompt if limits else None
    if room is not None and room < 1:
        message = f"the prompt has {prompt} tokens, and the context is {min(limits)}; shorten it or raise num_ctx"
        raise Failure("engine", "prompt_too_long", message)
    wanted = settings.get("max_tokens")
    if wanted is None:
        return room if room is not None else _WITHOUT_A_LIMIT
    return wanted if room is None else min(wanted, room)


_WITHOUT_A_LIMIT = 4096
# Logits divided by less may be more than a float holds; vLLM takes it for greedy, too.
_LEAST_TEMPERATURE = 1e-5


def _sampling(settings: Dict[str, Any]) -> Dict[str, Any]:
    """What is used, all of it numbers."""
    temperature = settings.get("temperature") or 0
    if temperature < _LEAST_TEMPERATURE:
        temperature = 0
    seed = settings.get("seed")
    used: Dict[str, Any] = {
        "temperature": temperature,
        "repetition_penalty": settings.get("repeat_penalty") or 1.0,
        "seed": random.SystemRandom().randrange(2**31) if seed is None else seed,
    }
    if temperature > 0:
        used["top_p"] = settings.get("top_p") or 1.0
        used["top_k"] = settings.get("top_k") or 0
    return used


def _generation(sampling: Dict[str, Any]) -> Dict[str, Any]:
    kept = {"repetition_penalty": sampling["repetition_penalty"]}
    if sampling["temperature"] == 0:
        return {"do_sample": False, **kept}
    return {"do_sample": True, **{key: sampling[key] for key in ("temperature", "top_p", "top_k")}, **kept}


def _memory(loaded: Loaded) -> Dict[str, int]:
    import resource

    import torch

    figures = {"rss_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if loaded.device.type == "cuda":
        gpus = range(torch.cuda.device_count())
        figures["gpu_peak_bytes"] = sum(torch.cuda.max_memory_allocated(gpu) for gpu in gpus)
    return figures


def _make_room(loaded: Loaded) -> None:
    """What an answer that ran out of memory has left would take it from the next."""
    import gc

    gc.collect()
    if loaded.device.type == "cuda":
        import torch

        torch.cuda.empty_cache()


def _refuse_broken(loaded: Loaded, failure: Failure) -> None:
    """After an error in a kernel, CUDA refuses everything else of the process, whatever it is asked."""
    if loaded.device.type != "cuda":
        return
    import torch

    try:
        for gpu in range(torch.cuda.device_count()):
            torch.cuda.synchronize(gpu)
    except Exception as error:
        raise Broken(f"the GPU is of no more use to this process ({error}) after: {failure}") from error

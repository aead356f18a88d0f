"""What goes wrong, in the agent's words: a kind that decides about retries, a class for tables, and a message."""

import errno
import re

# Without an exception class of their own: torch on the CPU, safetensors and the C library say it in words.
_NO_MEMORY = re.compile(
    r"can't allocate memory|cannot allocate memory|not enough memory|out of memory|os error 12|bad_alloc|bad allocation"
    r"|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED|failed to allocate",
    re.IGNORECASE,
)


class Failure(Exception):
    """`kind` is one of the agent's: transient, oom, engine, media."""

    def __init__(self, kind: str, class_name: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.class_name = class_name


def is_out_of_memory(error: BaseException) -> bool:
    """It, or what it came from: libraries wrap it in errors of their own."""
    at: "BaseException | None" = error
    seen = set()
    while at is not None and id(at) not in seen:
        if _tells_of_memory(at):
            return True
        seen.add(id(at))
        at = at.__cause__ or at.__context__
    return False


def _tells_of_memory(error: BaseException) -> bool:
    names = {cls.__name__ for cls in type(error).__mro__}
    if isinstance(error, MemoryError) or "OutOfMemoryError" in names:
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return bool(_NO_MEMORY.search(str(error)))


def failure_of(error: BaseException, class_name: str, doing: str) -> Failure:
    """Any exception as a Failure; `doing` says what was under way, such as `loading the model`."""
    if isinstance(error, Failure):
        return error
    said = " ".join(str(error).split())[:1500] or "no message"
    if is_out_of_memory(error):
        hint = "use a smaller model, a narrower dtype, shorter prompts or answers, or a larger device"
        return Failure("oom", "out_of_memory", f"out of memory while {doing}: {said}; {hint}")
    return Failure("engine", class_name, f"{doing} failed: {type(error).__name__}: {said}")

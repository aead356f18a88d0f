"""
The worker of the agent's `huggingface` engine: one process, one model, one answer at a time.

  agent                                   worker
                                          {"event": "hello", "v": 1, …}
  {"op": "load", …}                       {"event": "loaded", …}
  {"op": "generate", "id": 1, …}          {"event": "token", "id": 1, …} …  {"event": "done", "id": 1, …}
  {"op": "abort", "id": 1}                {"event": "aborted", "id": 1}

Anything may be answered by {"event": "error", "id": …, "kind": …, "class": …, "message": …}; after a failed load the
process ends, and so it does when the GPU answers nothing any more. Python finds the modules beside this file although it runs isolated (-I).
"""

import os
import platform
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from channel import Channel  # noqa: E402
from failure import Failure, failure_of  # noqa: E402

VERSION = 1


def main() -> int:
    channel = Channel()
    channel.send({"event": "hello", "v": VERSION, "python": platform.python_version()})
    spec = channel.next()
    try:
        loaded = _load(channel, spec)
    except Exception as error:
        _tell(channel, None, failure_of(error, "load_failed", "loading the model"))
        return 1
    from generating import Broken

    try:
        while True:
            _answer(channel, loaded, channel.next())
    except Broken:
        # Its last words: the agent calls it a death, and starts another worker.
        traceback.print_exc()
        return 1


def _load(channel, spec):
    # torch and transformers take seconds to import: after the hello, so that nobody takes that for silence.
    from digest import digest_of, stamp_of
    from loading import load

    loaded = load(spec)
    about = loaded.about
    at = time.monotonic_ns()
    if about["commit"] is None:
        path = os.path.join(about["folder"], about["gguf"] or "")
        stamp = stamp_of(path)
        known = spec.get("known_digest") or {}
        # After the load: what is hashed has just been read, and the time is none of the load's.
        digest = known["digest"] if known.get("stamp") == stamp else digest_of(path)
        about.update(stamp=stamp, digest=digest)
    else:
        about.update(digest=about["commit"])
    channel.send({"event": "loaded", "after_load_ns": time.monotonic_ns() - at, **about})
    return loaded


def _answer(channel, loaded, request):
    from generating import Aborted, generate

    request_id = request["id"]

    def tell(n, text, t_ns):
        channel.send({"event": "token", "id": request_id, "n": n, "text": text, "t_ns": t_ns})

    try:
        done = generate(loaded, request, tell, lambda: channel.is_aborted(request_id))
        channel.send({**done, "id": request_id})
    except Aborted:
        channel.send({"event": "aborted", "id": request_id})
    except Failure as failure:
        _tell(channel, request_id, failure)
    finally:
        channel.forget(request_id)


def _tell(channel, request_id, failure):
    if failure.kind == "engine":
        # For the agent's log, where the program's last words go.
        traceback.print_exception(failure)
    error = {"kind": failure.kind, "class": failure.class_name, "message": str(failure)}
    channel.send({"event": "error", "id": request_id, **error})


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # At once: the thread that waits for input would hold up an ordinary exit.
    os._exit(code)

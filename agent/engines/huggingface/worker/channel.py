"""
The line to the agent: one JSON object a line, requests on standard input, events on what was standard output.

1. Nothing but events gets onto it: before anything is imported that may print, the real standard output is moved away
   and replaced by standard error, for Python and for C alike. The agent keeps standard error as the worker's last words.
2. The end of the input is the end of the agent: the process ends at once, whatever it is doing.
"""

import json
import os
import queue
import sys
import threading
import traceback


class Channel:
    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._in = os.fdopen(os.dup(0), "rb")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        self._lock = threading.Lock()
        self._requests: "queue.SimpleQueue[dict]" = queue.SimpleQueue()
        self._aborted: "set[int]" = set()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def send(self, event: dict) -> None:
        line = memoryview(json.dumps(event, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n")
        with self._lock:
            while line:
                line = line[self._out.write(line) :]

    def next(self) -> dict:
        """The next request; waits for it."""
        return self._requests.get()

    def is_aborted(self, request_id: int) -> bool:
        return request_id in self._aborted

    def forget(self, request_id: int) -> None:
        """An abort may come for what has just ended."""
        self._aborted.discard(request_id)

    def _read(self) -> None:
        try:
            for line in self._in:
                request = json.loads(line)
                if request["op"] == "abort":
                    self._aborted.add(request["id"])
                else:
                    self._requests.put(request)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)

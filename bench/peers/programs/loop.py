"""The same as loop.ts: keeps a number of tasks outstanding; and the questions and answers of ../../support/asking.ts."""
import json
import sys
import threading
import time

TASK_BYTES = 100
DRAIN_S = 10


def payload_of(task):
    return str(task).zfill(TASK_BYTES)


class Loop:
    def __init__(self, submit):
        self.submit = submit
        self.started = {}
        self.spans = None
        self.next = 0
        self.acknowledged = self.acknowledged_twice = self.wrong = 0
        self.ending = True
        self.latencies = None
        self.window_start = time.monotonic()
        self.drained = threading.Event()

    def begin(self, outstanding, spans):
        self.ending = False
        self.drained.clear()
        self.spans = [] if spans else None
        for _ in range(outstanding):
            self.one()

    def start_window(self):
        self.window_start = time.monotonic()
        self.latencies = []

    def stop_submitting(self):
        latencies, self.latencies = sorted(self.latencies or []), None
        self.window = (latencies, time.monotonic() - self.window_start)
        self.ending = True
        if not self.started:
            self.drained.set()

    def result(self):
        latencies, window_s = self.window
        at = lambda q: latencies[int(q * (len(latencies) - 1))] if latencies else None
        result = {
            "tasks": len(latencies), "windowS": window_s, "p50Ms": at(0.5), "p99Ms": at(0.99),
            "submitted": self.next, "acknowledged": self.acknowledged,
            "acknowledgedTwice": self.acknowledged_twice, "wrong": self.wrong,
        }
        return result if self.spans is None else {**result, "spans": self.spans}

    def done(self, task, payload):
        started = self.started.pop(task, None)
        if started is None:
            self.acknowledged_twice += 1
            return
        self.acknowledged += 1
        if payload != payload_of(task):
            self.wrong += 1
        now = time.monotonic()
        if self.latencies is not None:
            self.latencies.append((now - started) * 1000)
        if self.spans is not None:
            wall = time.time()
            self.spans.append([wall - (now - started), wall])
        if not self.ending:
            self.one()
        elif not self.started:
            self.drained.set()

    def one(self):
        task = self.next
        self.next += 1
        self.started[task] = time.monotonic()
        self.submit(task, payload_of(task))


def answer(questions):
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            said = {"answer": questions[asked["name"]](asked["about"])}
        except Exception as error:  # the asker is told
            said = {"answer": None, "error": repr(error)}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


executed = 0
seen = set()


def execute(payload):
    """What a worker does."""
    global executed
    executed += 1
    seen.add(int(payload))
    return payload


def counts(_):
    return {"executed": executed, "distinct": len(seen)}

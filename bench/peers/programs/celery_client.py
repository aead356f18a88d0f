"""Celery: what the result backend publishes about a task is heard over one subscription instead of one a task."""
import json
import os
import queue
import threading

import redis
from celery_app import app, noop, port

import loop

to_submit = queue.SimpleQueue()


def submit(task, payload):
    to_submit.put((task, payload))


def submitting():
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        while True:
            task, payload = to_submit.get()
            noop.apply_async((payload,), task_id=f"t{task}", producer=producer)


clients = loop.Loop(submit)


def listening(subscribed):
    heard = redis.Redis(port=int(port), db=1).pubsub()
    heard.psubscribe("celery-task-meta-t*")
    for message in heard.listen():
        if message["type"] == "psubscribe":
            subscribed.set()
        elif message["type"] == "pmessage":
            meta = json.loads(message["data"])
            if meta["status"] == "SUCCESS":
                clients.done(int(meta["task_id"][1:]), meta["result"])


def end(_):
    clients.stop_submitting()
    clients.drained.wait(loop.DRAIN_S)
    return clients.result()


subscribed = threading.Event()
threading.Thread(target=listening, args=(subscribed,), daemon=True).start()
threading.Thread(target=submitting, daemon=True).start()
subscribed.wait(10)
loop.answer({
    "ready": lambda _: None,
    "begin": lambda o: clients.begin(o["outstanding"], o["spans"]),
    "window": lambda _: clients.start_window(),
    "end": end,
})
os._exit(0)

"""Celery: the task, for the worker, which stores results, and the client, which hears them elsewhere (celery_client.py)."""
import os
import sys

from celery import Celery

import loop

port = os.environ["PEER_PORT"]
stores = sys.argv[0].endswith("celery_worker.py")
backend = f"redis://127.0.0.1:{port}/1" if stores else "disabled://"
app = Celery("tasks", broker=f"redis://127.0.0.1:{port}/0", backend=backend)
app.conf.update(
    task_serializer="json", result_serializer="json", accept_content=["json"],
    worker_prefetch_multiplier=256, broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False, worker_redirect_stdouts=False, result_expires=300,
)


@app.task(name="noop")
def noop(payload):
    return loop.execute(payload)

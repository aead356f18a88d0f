"""Dask: the scheduler, until its stdin ends."""
import asyncio
import os
import sys
import threading

from distributed import Scheduler


def serve():
    sys.stdin.read()
    os._exit(0)


async def main():
    async with Scheduler(host="127.0.0.1", port=int(sys.argv[1]), dashboard=False) as scheduler:
        threading.Thread(target=serve, daemon=True).start()
        await scheduler.finished()


asyncio.run(main())

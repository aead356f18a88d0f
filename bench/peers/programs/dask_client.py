"""Dask: a task is a submitted call; its future is awaited."""
import asyncio
import os
import threading

from distributed import Client

import loop


async def main():
    async with Client(os.environ["PEER_SCHEDULER"], asynchronous=True) as client:
        here = asyncio.get_running_loop()

        async def run(task, payload):
            future = client.submit(loop.execute, payload, key=f"t-{task}", pure=False)
            clients.done(task, await future)
            future.release()

        clients = loop.Loop(lambda task, payload: here.create_task(run(task, payload)))
        on_loop = lambda f: asyncio.run_coroutine_threadsafe(f, here).result()

        async def begin(o):
            clients.begin(o["outstanding"], o["spans"])

        async def window():
            clients.start_window()

        async def stop():
            clients.stop_submitting()

        def end(_):
            on_loop(stop())
            clients.drained.wait(loop.DRAIN_S)
            return clients.result()

        def serve():
            loop.answer({
                "ready": lambda _: None,
                "begin": lambda o: on_loop(begin(o)),
                "window": lambda _: on_loop(window()),
                "end": end,
            })
            os._exit(0)

        threading.Thread(target=serve, daemon=True).start()
        await asyncio.Event().wait()


asyncio.run(main())

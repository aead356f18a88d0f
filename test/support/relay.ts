/** A TCP relay on loopback that can cut or freeze what runs through it: the bad network of tests. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Relay {
  /** host:port to dial instead of the target. */
  address: string;
  /** Breaks every connection there is; new ones work. */
  cut(): void;
  /** While true, new connections are refused at once and nothing passes. */
  block(blocked: boolean): void;
  /** Reads nothing more from the target's side, for ever; the other direction goes on. */
  deafen(): void;
  /** Bytes that the target has answered so far, over all connections. */
  answeredBytes(): number;
  /** Passes this many more bytes of what the target answers, then breaks every connection, once. */
  cutAfter(bytes: number): void;
  close(): Promise<void>;
}

export async function startRelay(target: string): Promise<Relay> {
  const [host = "", port = ""] = target.split(":");
  const sockets = new Set<Socket>();
  const deaf: (() => void)[] = [];
  let blocked = false;
  let answered = 0;
  let cutAt = Number.POSITIVE_INFINITY;
  const server = createServer((near) => {
    if (blocked) return void near.destroy();
    const far = connect(Number(port), host);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.pipe(far);
    const answer = (chunk: Buffer) => {
      const passed = chunk.subarray(0, cutAt - answered);
      answered += passed.length;
      if (answered < cutAt) {
        if (!near.write(passed)) far.pause();
        return;
      }
      cutAt = Number.POSITIVE_INFINITY;
      far.off("data", answer).pause();
      near.end(passed, cut);
    };
    const goOn = () => far.resume();
    far.on("data", answer);
    far.on("end", () => near.end());
    near.on("drain", goOn);
    deaf.push(() => {
      near.off("drain", goOn);
      far.off("data", answer).pause();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    block(now) {
      blocked = now;
      if (now) cut();
    },
    deafen() {
      for (const stop of deaf.splice(0)) stop();
    },
    answeredBytes: () => answered,
    cutAfter(bytes) {
      cutAt = answered + bytes;
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

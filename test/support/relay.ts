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
  close(): Promise<void>;
}

export async function startRelay(target: string): Promise<Relay> {
  const [host = "", port = ""] = target.split(":");
  const sockets = new Set<Socket>();
  const fars = new Map<Socket, Socket>();
  let blocked = false;
  const server = createServer((near) => {
    if (blocked) return void near.destroy();
    const far = connect(Number(port), host);
    fars.set(far, near);
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
      socket.pipe(other);
    }
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
      for (const [far, near] of fars) far.unpipe(near).pause();
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { AgentServiceService } from "../../shared/gen/sai/agent/v1/session.js";
import { listen, newServer } from "../../shared/rpc/serve.js";
import { startRelay } from "../../test/support/relay.js";
import { until } from "../../test/support/until.js";
import { dialGrpc } from "./transport.js";

/** An HTTP/2 PING: the head of its frame, and its eight bytes. */
const PING_BYTES = 9 + 8;
const never = new AbortController().signal;
const open: { server: Server; sockets: Set<Socket> }[] = [];

/** A port that takes connections and says nothing; its address. */
async function mute(): Promise<{ address: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  open.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

afterEach(() => {
  for (const { server, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

test("a refused connection is told at once: when to dial again is for the one who dials", async () => {
  const { address, close } = await mute();
  await close();
  // Were it tried again in here, this would take the whole hour.
  const dialled = dialGrpc()(address, never, 3_600_000);
  await expect(dialled).rejects.toMatchObject({
    code: "unavailable",
    message: `no coordinator answers at ${address}`,
    cause: { message: "the connection was refused" },
  });
});

test("one that takes the connection and says nothing is given up in the time there is", async () => {
  const { address } = await mute();
  await expect(dialGrpc()(address, never, 50)).rejects.toMatchObject({
    code: "unavailable",
    cause: { message: "nothing answered within 50 ms" },
  });
});

test("a stop ends a dial", async () => {
  const { address } = await mute();
  const stop = new AbortController();
  const dialled = dialGrpc()(address, stop.signal, 3_600_000);
  stop.abort(new Error("stopped"));
  await expect(dialled).rejects.toThrow("stopped");
});

test("a coordinator that falls silent without closing anything is noticed by keepalive", async () => {
  const server = newServer();
  server.addService(AgentServiceService, { session: () => {} }); // takes everything, says nothing
  const listening = await listen(server, "127.0.0.1", { value: 0, explicit: false }, "port");
  const relay = await startRelay(listening.address);
  const link = await dialGrpc(undefined, { everyMs: 20, answerMs: 1_000 })(relay.address, never, 5_000);
  let ended = false;
  const read = (async () => {
    for await (const _ of link.messages);
  })().finally(() => {
    ended = true;
  });
  read.catch(() => {}); // whoever awaits it below hears of it
  // Pings are answered until then: it is not hung up on for another reason.
  const answered = relay.answeredBytes();
  await until("three more pings were answered", () => relay.answeredBytes() > answered + 3 * PING_BYTES);
  expect(ended).toBe(false);
  relay.deafen();
  await expect(read).rejects.toMatchObject({ code: "unavailable" });
  await relay.close();
  await listening.stop(0);
});

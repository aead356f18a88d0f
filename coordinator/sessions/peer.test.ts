/** An agent that stops reading, on a real stream: what waits for it stays within its bounds, and then it is closed. */
import { credentials, type Server, type ServerDuplexStream } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import {
  type AgentMessage,
  AgentServiceClient,
  AgentServiceService,
  type CoordinatorMessage,
} from "../../shared/gen/sai/agent/v1/session.js";
import { listen, newServer } from "../../shared/rpc/serve.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { until } from "../../test/support/until.js";
import { type CoordinatorBody, GrpcPeer, type PeerLimits } from "./peer.js";

const close: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of close.splice(0).reverse()) await end();
});

/** The coordinator's side of a stream whose agent reads nothing. */
async function deafAgent(limits: Partial<PeerLimits> = {}) {
  let accept: (stream: ServerDuplexStream<AgentMessage, CoordinatorMessage>) => void = () => {};
  const accepted = new Promise<ServerDuplexStream<AgentMessage, CoordinatorMessage>>((resolve) => {
    accept = resolve;
  });
  const server: Server = newServer();
  server.addService(AgentServiceService, { session: accept });
  const listening = await listen(server, "127.0.0.1", { value: 0, explicit: true }, "port");
  close.push(() => listening.stop(0));
  const client = new AgentServiceClient(listening.address, credentials.createInsecure());
  close.push(() => client.close());
  const stream = client.session();
  stream.on("error", () => {});
  stream.write({ clusterId: "", epoch: 0n, agentId: "deaf", incarnation: 1n, body: undefined });
  const all = { maxMessages: 1000, maxBytes: 1_000_000, drainMs: 60_000, ...limits };
  const peer = new GrpcPeer(await accepted, { clusterId: "c", epoch: 1n }, all, systemClock);
  return { peer };
}

const cancel = (bytes: number): CoordinatorBody => ({
  $case: "cancel",
  value: { fences: [], graceMs: 0, reason: "x".repeat(bytes) },
});

test("bytes that wait are bounded, however much is said", async () => {
  const { peer } = await deafAgent();
  const before = process.memoryUsage().external + process.memoryUsage().heapUsed;
  let most = 0;
  for (let i = 0; i < 5000; i += 1) {
    peer.send(cancel(100_000));
    most = Math.max(most, peer.backlog.bytes);
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(most).toBeGreaterThan(500_000);
  expect(most).toBeLessThan(1_000_000 + 101_000);
  expect(peer.backlog).toEqual({ messages: 0, bytes: 0 }); // closed
  const grown = process.memoryUsage().external + process.memoryUsage().heapUsed - before;
  expect(grown).toBeLessThan(100_000_000); // 500 MB were said
});

test("messages that wait are bounded; of answers to heartbeats one waits", async () => {
  const { peer } = await deafAgent({ maxMessages: 50 });
  // What the transport itself takes before it asks for a pause.
  while (peer.backlog.messages === 0) peer.send(cancel(50_000));
  const { messages } = peer.backlog;
  for (let seq = 0n; seq < 10_000n; seq += 1n) peer.send({ $case: "heartbeatAck", value: { seq } });
  expect(peer.backlog.messages).toBe(messages + 1);
  for (let i = 0; i < 100; i += 1) peer.send(cancel(1));
  expect(peer.backlog).toEqual({ messages: 0, bytes: 0 });
});

test("a peer that reads nothing for the drain time is closed", async () => {
  const { peer } = await deafAgent({ drainMs: 50 });
  for (let i = 0; i < 900; i += 1) peer.send(cancel(1_000));
  expect(peer.backlog.messages).toBeGreaterThan(100);
  await until("it is closed", () => peer.backlog.messages === 0);
});

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { type Client, credentials, type Server } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  Event as EventMessage,
  EventServiceClient,
  EventServiceService,
  StreamEventsRequest,
} from "../gen/sai/v1/event.js";
import { NodeServiceClient, NodeServiceService } from "../gen/sai/v1/node.js";
import { SaiError } from "../runtime/errors.js";
import { addForwarding } from "./forward.js";
import { type CallObserver, type Listening, listen, newServer, streaming, unary } from "./serve.js";
import { replaceServices, ServiceSet } from "./services.js";
import { fromServiceError } from "./status.js";

const PORT = { value: 0, explicit: false };
const calls: CallObserver = { failed: () => {}, ended: () => {} };
const BIG = "x".repeat(64 * 1024);
let made: number;
let left: AbortSignal | undefined;
let address: string | undefined;
let front: Server;
const ends: (() => unknown)[] = [];

beforeEach(async () => {
  made = 0;
  const server = newServer();
  server.addService(NodeServiceService, {
    getNode: unary(calls, ({ id }: { id: string }) => {
      if (id === "known") return { node: undefined };
      throw new SaiError("invalid_argument", "the request has an error", {
        hint: "name a node",
        violations: [{ field: "id", description: "is unknown" }],
      });
    }),
    listNodes: unary(calls, () => new Promise<never>(() => {})),
  } as never);
  server.addService(EventServiceService, {
    streamEvents: streaming(calls, async function* (_, signal) {
      left = signal;
      for (; made < 2_000; made++) yield { event: { ...EventMessage.create(), message: BIG } };
    }),
  } as never);
  const leader = await listen(server, "127.0.0.1", PORT, "coordinator.grpc_port");
  address = leader.address;
  front = newServer();
  ends.push(() => leader.stop(0));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server that hands on to `address`, or to wherever is said. */
async function follower(
  to = () => address,
  connectMs = 5_000,
): Promise<{ listening: Listening; stopping: AbortController }> {
  const stopping = new AbortController();
  const set = new ServiceSet();
  const close = addForwarding(set, [NodeServiceService, EventServiceService], {
    address: to,
    unknown: () => new SaiError("unavailable", "no coordinator leads", { hint: "ask again" }),
    stopping: stopping.signal,
    connectMs,
  });
  const server = newServer();
  replaceServices(server, undefined, set);
  const listening = await listen(server, "127.0.0.1", PORT, "coordinator.grpc_port");
  ends.push(close, () => listening.stop(0));
  return { listening, stopping };
}

function closing<T extends Client>(client: T): T {
  ends.push(() => client.close());
  return client;
}
const nodes = (at: string) => closing(new NodeServiceClient(at, credentials.createInsecure()));
const events = (at: string) => closing(new EventServiceClient(at, credentials.createInsecure()));
const getNode = (client: NodeServiceClient, id: string) =>
  new Promise((resolve, reject) => {
    client.getNode({ id }, (error, answer) =>
      error ? reject(fromServiceError(error, "call")) : resolve(answer),
    );
  });

test("answers and errors come as the other server gave them, hints and violations included", async () => {
  const client = nodes((await follower()).listening.address);
  expect(await getNode(client, "known")).toEqual({ node: undefined });
  await expect(getNode(client, "other")).rejects.toMatchObject({
    code: "invalid_argument",
    hint: "name a node",
    violations: [{ field: "id", description: "is unknown" }],
  });
});

test("a stream arrives whole, at its reader's pace", async () => {
  const stream = events((await follower()).listening.address).streamEvents(StreamEventsRequest.create());
  await new Promise((resolve) => stream.once("readable", resolve));
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(made).toBeLessThan(1_000); // 64 MB would have gone into memory
  let seen = 0;
  for await (const { event } of stream) {
    expect(event?.message.length).toBe(BIG.length);
    seen++;
  }
  expect(seen).toBe(2_000);
});

test("a caller that leaves, and a stop, end the call on both sides", async () => {
  const { listening, stopping } = await follower();
  const first = events(listening.address).streamEvents(StreamEventsRequest.create());
  first.on("error", () => {});
  await new Promise((resolve) => first.once("readable", resolve));
  const gone = left as AbortSignal;
  first.cancel();
  await new Promise((resolve) => (gone.aborted ? resolve(0) : gone.addEventListener("abort", resolve)));
  const waiting = new Promise((_, reject) => {
    nodes(listening.address).listNodes({ pageSize: 0, pageToken: "" }, (error) =>
      reject(error && fromServiceError(error, "call")),
    );
  });
  setTimeout(() => stopping.abort(), 50);
  await expect(waiting).rejects.toMatchObject({ code: "unavailable" });
});

test("nobody to hand on to, a target that is gone, and a call that comes round: each is unavailable, at once", async () => {
  const unknown = nodes((await follower(() => undefined)).listening.address);
  await expect(getNode(unknown, "known")).rejects.toMatchObject({ code: "unavailable", hint: "ask again" });
  const gone = nodes((await follower(() => "127.0.0.1:1")).listening.address);
  await expect(getNode(gone, "known")).rejects.toMatchObject({ code: "unavailable" });
  let self = "";
  const round = await follower(() => self);
  self = round.listening.address;
  await expect(getNode(nodes(self), "known")).rejects.toThrow(/does not lead, and neither does/);
});

test("a set of services takes the place of another while the server runs", async () => {
  const set = (id: string) => {
    const services = new ServiceSet();
    services.addService(NodeServiceService, {
      getNode: unary(calls, () => {
        throw new SaiError("not_found", id);
      }),
    } as never);
    return services;
  };
  const [one, two] = [set("one"), set("two")];
  replaceServices(front, undefined, one);
  const listening = await listen(front, "127.0.0.1", PORT, "coordinator.grpc_port");
  ends.push(() => listening.stop(0));
  const client = nodes(listening.address);
  await expect(getNode(client, "x")).rejects.toThrow("one");
  replaceServices(front, one, two);
  await expect(getNode(client, "x")).rejects.toThrow("two");
});

test("a leader that cannot be connected to is given up, however long the network would wait", async () => {
  const mute = createServer().listen(0, "127.0.0.1");
  await once(mute, "listening");
  ends.push(() => mute.close());
  const { port } = mute.address() as AddressInfo;
  const { listening } = await follower(() => `127.0.0.1:${port}`, 50);
  await expect(getNode(nodes(listening.address), "known")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("cannot be reached"),
  });
});

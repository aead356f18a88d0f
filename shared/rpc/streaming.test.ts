/** Streams to people, on real sockets: what a consumer that does not read costs, and who notices. */
import { type ClientReadableStream, credentials, status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import {
  EventServiceClient,
  EventServiceService,
  StreamEventsRequest,
  type StreamEventsResponse,
} from "../gen/sai/v1/event.js";
import { type Listening, listen, newServer, streaming } from "./serve.js";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const KILOBYTE = "x".repeat(1000);
const event = (seq: number) => ({
  event: {
    seq,
    time: undefined,
    kind: "k",
    campaignId: "",
    jobId: "",
    nodeId: "",
    message: KILOBYTE,
    epoch: "1",
  },
});

interface Served {
  listening: Listening;
  /** By the request's campaign: how many messages its generator was asked for, and whether it has ended. */
  pulled: Map<string, { count: number; ended: boolean }>;
  /** Statuses in the order the calls ended. */
  statuses: string[];
  stopping: AbortController;
  dial(): EventServiceClient;
}

/** A server whose streams have `since` messages of 1 kB. */
async function served(drainMs: number): Promise<Served> {
  const pulled: Served["pulled"] = new Map();
  const statuses: string[] = [];
  const stopping = new AbortController();
  const calls = {
    failed: (_: string, error: unknown) => void statuses.push(`failed: ${error}`),
    ended: (_: string, name: string) => void statuses.push(name),
    stopping: stopping.signal,
    drainMs,
  };
  const server = newServer();
  server.addService(EventServiceService, {
    streamEvents: streaming(calls, async function* ({ campaignId, since }: StreamEventsRequest) {
      const mine = { count: 0, ended: false };
      pulled.set(campaignId, mine);
      try {
        while (mine.count < since) {
          mine.count += 1;
          yield event(mine.count);
        }
      } finally {
        mine.ended = true;
      }
    }),
  });
  const listening = await listen(server, "127.0.0.1", { value: 0, explicit: false }, "coordinator.grpc_port");
  stops.push(() => listening.stop(0));
  const dial = () => {
    const client = new EventServiceClient(listening.address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    stops.push(() => client.close());
    return client;
  };
  return { listening, pulled, statuses, stopping, dial };
}

const request = (campaignId: string, since = 20_000) =>
  StreamEventsRequest.fromPartial({ campaignId, since });
const endOf = (stream: ClientReadableStream<StreamEventsResponse>) =>
  new Promise<{ code: number; details: string }>((resolve) => {
    stream.on("error", () => {});
    stream.on("status", resolve);
  });
/** Reads one message, then no more. */
const readOne = (stream: ClientReadableStream<StreamEventsResponse>) =>
  new Promise<void>((resolve) => {
    stream.once("data", () => {
      stream.pause();
      resolve();
    });
  });

test("a consumer that stops reading holds little, is cut off at its deadline, and slows nobody", async () => {
  const { dial, pulled, statuses } = await served(500);
  const slow = dial().streamEvents(request("slow"));
  const cut = endOf(slow);
  await readOne(slow);
  const others = [dial(), dial()].map(async (client, i) => {
    let seen = 0;
    for await (const _ of client.streamEvents(request(`fast-${i}`, 10_000))) seen += 1;
    return seen;
  });
  expect(await Promise.all(others)).toEqual([10_000, 10_000]);
  expect(await cut).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  expect(statuses.toSorted()).toEqual(["OK", "OK", "RESOURCE_EXHAUSTED"]);
  expect(pulled.get("slow")?.ended).toBe(true);
  // What was asked for and not read lies in the windows of HTTP/2 and in sockets, not in a queue of ours.
  expect(pulled.get("slow")?.count).toBeLessThan(4_000);
});

test("a consumer that pauses and reads on in time gets everything, in order", async () => {
  const { dial, statuses } = await served(60_000);
  const stream = dial().streamEvents(request("c", 5_000));
  await readOne(stream);
  // Others in between, so that the pause is longer than what the windows hold.
  for await (const _ of dial().streamEvents(request("other", 2_000)));
  const seen: number[] = [];
  for await (const { event } of stream as AsyncIterable<StreamEventsResponse>) seen.push(event?.seq ?? 0);
  expect(seen).toEqual(Array.from({ length: 4_999 }, (_, i) => i + 2));
  expect(statuses).toEqual(["OK", "OK"]);
});

test("whoever leaves ends its generator, also while it does not read", async () => {
  const { dial, pulled, statuses } = await served(60_000);
  const stream = dial().streamEvents(request("c"));
  const end = endOf(stream);
  await readOne(stream);
  stream.cancel();
  await end;
  await expect.poll(() => pulled.get("c")?.ended, { timeout: 10_000 }).toBe(true);
  expect(statuses).toEqual(["CANCELLED"]);
});

test("a server that stops says so to those who listen", async () => {
  const { dial, listening, stopping, pulled } = await served(60_000);
  const stream = dial().streamEvents(request("c"));
  const end = endOf(stream);
  stream.on("data", () => {});
  await expect.poll(() => pulled.get("c")?.count, { timeout: 10_000 }).toBeGreaterThan(10);
  stopping.abort();
  expect(await end).toMatchObject({ code: status.UNAVAILABLE, details: "the coordinator stops" });
  await listening.stop(60_000);
});

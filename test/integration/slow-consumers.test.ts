/** People's streams whose consumers stop reading: they are cut off, lose nothing but themselves, and slow nobody. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type ClientReadableStream, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CampaignState, WatchCampaignRequest } from "../../shared/gen/sai/v1/campaign.js";
import { StreamEventsRequest } from "../../shared/gen/sai/v1/event.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { connectApi } from "../support/api.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet({
    agents: ["n1"],
    config: (config) => {
      config.coordinator.slowPeerTimeoutMs = 1_500;
    },
  });
});
afterAll(() => fleet?.stop());

const events = 300;
/** About 8 kB of labels, so that events are large. */
const labels = (i: number) =>
  Object.fromEntries(Array.from({ length: 64 }, (_, k) => [`k${k}`, `${i}-${"v".repeat(56)}`]));

/** Reads one message, then no more; the status the stream ends with, once the reader looks again. */
function stalled(stream: ClientReadableStream<unknown>): { began: Promise<void>; end: Promise<number> } {
  stream.on("error", () => {});
  const end = new Promise<number>((resolve) => stream.on("status", ({ code }) => resolve(code)));
  const began = new Promise<void>((resolve) =>
    stream.once("data", () => {
      stream.pause();
      resolve();
    }),
  );
  return { began, end };
}

test("watchers that stop reading are cut off at the deadline; others, agents and campaigns go on", async () => {
  // Events for their first message, and something to watch that changes all the time.
  const suite = suiteOf({ items: 40, shardSize: 2, options: { latency_ms: 50 } });
  const { id } = await fleet.api.create({ suite });
  const apis = Array.from({ length: 6 }, () => connectApi(fleet.coordinator.apiAddress));
  const [reader, ...slow] = apis;
  if (reader === undefined) throw new Error("no reader");
  const all = StreamEventsRequest.fromPartial({ nodeId: "n1" });
  const streams = slow.map((api) => stalled(api.events.streamEvents(all)));
  await Promise.all(streams.map(({ began }) => began));

  const seen: number[] = [];
  const fast = (async () => {
    for await (const { event } of reader.events.streamEvents(all) as AsyncIterable<{
      event?: { seq: number; kind: string };
    }>) {
      if (event?.kind === "node.labelled") seen.push(event.seq);
      if (seen.length === events) return;
    }
  })();
  const { nodes } = fleet.api;
  const label = (i: number) =>
    new Promise<void>((resolve, reject) =>
      nodes.labelNode({ id: "n1", set: labels(i), unset: [] }, (error) =>
        error ? reject(error) : resolve(),
      ),
    );
  for (let i = 0; i < events; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => label(i + k)));
  await fast;
  expect(seen.toSorted((a, b) => a - b)).toEqual(seen);
  expect(new Set(seen).size).toBe(events);
  const ends = await Promise.all(streams.map(({ end }) => end));
  expect(ends).toEqual(slow.map(() => status.RESOURCE_EXHAUSTED));

  // Whoever was cut off asks again from where it was, and a watcher of the campaign was never in the way.
  const watched = reader.campaigns.watchCampaign(WatchCampaignRequest.fromPartial({ id }));
  let last: CampaignState | undefined;
  for await (const { campaign } of watched as AsyncIterable<{ campaign?: { state: CampaignState } }>)
    last = campaign?.state;
  expect(last).toBe(CampaignState.SUCCEEDED);
  expect((await fleet.api.node("n1")).state).toBe("ready");
  const counted = async () => {
    const text = await (await fetch(`http://${fleet.coordinator.httpAddress}/metrics`)).text();
    return /_count\{.*StreamEvents",status="RESOURCE_EXHAUSTED"\} (\d+)/.exec(text)?.[1] === `${slow.length}`;
  };
  await until("the metrics count them", counted);
  for (const api of apis) api.close();
}, 120_000);

test("an uploader that falls silent is cut off, and leaves nothing", async () => {
  const bytes = Buffer.from("half of it");
  const stored = new Promise<number>((resolve) => {
    const stream = fleet.api.artifacts.upload((error) => resolve(error?.code ?? status.OK));
    stream.on("error", () => {});
    stream.write({ part: { $case: "head", value: { sha256: sha256(bytes), sizeBytes: 100 } } });
    stream.write({ part: { $case: "chunk", value: bytes } });
  });
  expect(await stored).toBe(status.DEADLINE_EXCEEDED);
  const leftovers = async () =>
    (await readdir(join(fleet.folder, "artifacts"), { recursive: true })).filter((name) =>
      name.includes(".tmp-"),
    );
  await until("nothing is left", async () => (await leftovers()).length === 0);
});

import { afterEach, beforeEach, expect, test } from "vitest";
import { type Artifacts, recordsKey } from "../../shared/artifacts/store.js";
import { fenceText } from "../../shared/domain/fence.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { CampaignEntry } from "./board.js";
import { completeAttempt } from "./complete-attempt.js";
import { campaignEvent } from "./lifecycle.js";
import { Sweeper } from "./sweep.js";
import { type Term, World } from "./world.test-support.js";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.close());

/** The sweeper of a term, over the world's blobs. */
function sweeperOf(term: Term) {
  const { board, state, clock, log } = term.parts;
  let leftovers = 0;
  const store = {
    ...term.parts.artifacts,
    async *list(prefix: string) {
      for (const key of [...world.blobs.keys()]) if (key.startsWith(prefix)) yield key;
    },
    removeLeftovers: async () => {
      leftovers += 1;
      return 0;
    },
  };
  const sweeper = new Sweeper({ artifacts: store as unknown as Artifacts, board, state, clock, log });
  const round = (signal = new AbortController().signal) => world.get(sweeper.round(signal));
  return { round, leftovers: () => leftovers };
}

const runKeys = () => [...world.blobs.keys()].filter((key) => key.startsWith("run/")).sort();

/** Runs a shard whose records are in the artifact store. */
async function stored(term: Term, campaign: string, index: number): Promise<void> {
  const key = { campaign, job: "j0000", index };
  const fence = term.give(key);
  const { inline, ...result } = await term.result(key, fence);
  const uri = recordsKey(campaign, "j0000", index, fenceText(fence));
  world.blobs.set(uri, inline);
  expect(await world.get(completeAttempt(term.parts, { ...result, uri }))).toBe("COMMITTED");
}

/** A campaign whose results lie in the store, with records of attempts that lost beside them. */
async function withLosers(
  term: Term,
  end = true,
): Promise<{ entry: CampaignEntry; losers: string[]; kept: string[] }> {
  const entry = await term.campaign({ items: 4, shardSize: 2 });
  const { id } = entry.value;
  const losers = [recordsKey(id, "j0000", 0, "1.900"), recordsKey(id, "j0000", 7, "2.1")];
  for (const key of losers) world.blobs.set(key, Buffer.from("lost"));
  world.blobs.set(`run/${id}/j0000/notes.txt`, Buffer.from("somebody's"));
  world.blobs.set(recordsKey(id, "j0001", 0, "1.1"), Buffer.from("of no job that was sealed"));
  if (end) {
    for (const index of [0, 1]) await stored(term, id, index);
    await term.ended(entry);
  }
  return { entry, losers, kept: runKeys().filter((key) => !losers.includes(key)) };
}

test("what lost goes a while after the end, and everything that counts stays", async () => {
  const term = await world.term();
  const { entry, losers, kept } = await withLosers(term);
  expect(kept.filter((key) => key.endsWith("records.jsonl")).length).toBeGreaterThan(1);
  const { round, leftovers } = sweeperOf(term);
  await round();
  expect(runKeys()).toEqual([...kept, ...losers].sort());
  await world.clock.advance(10 * MINUTE_MS);
  await round();
  expect(runKeys()).toEqual(kept);
  expect(await term.allRecords(entry.value.id)).toHaveLength(4);
  // What comes later goes after a week, once.
  world.blobs.set(losers[0] ?? "", Buffer.from("late"));
  await world.clock.advance(DAY_MS);
  await round();
  expect(runKeys()).toHaveLength(kept.length + 1);
  for (let day = 0; day < 7; day += 1) await world.clock.advance(DAY_MS);
  await round();
  expect([runKeys(), leftovers()]).toEqual([kept, 3]);
});

test("nothing of a campaign that runs is touched, nor of one that ended without a job being sealed", async () => {
  const term = await world.term();
  const { entry } = await withLosers(term, false);
  await stored(term, entry.value.id, 0);
  const before = runKeys();
  await world.clock.advance(DAY_MS);
  await sweeperOf(term).round();
  expect(runKeys()).toEqual(before);
});

test("a cancelled campaign keeps what was committed", async () => {
  const term = await world.term();
  const { entry, losers } = await withLosers(term, false);
  const { id } = entry.value;
  await stored(term, id, 0);
  await world.get(campaignEvent(term.parts, entry, { kind: "cancel", reason: "enough" }));
  await term.ended(entry);
  const kept = runKeys().filter((key) => !losers.includes(key));
  await world.clock.advance(DAY_MS);
  await sweeperOf(term).round();
  expect(runKeys()).toEqual(kept);
  expect(await term.allRecords(id)).toHaveLength(2);
});

test("a manifest that cannot be read sweeps nothing, and the next round does", async () => {
  const term = await world.term();
  const { losers, kept } = await withLosers(term);
  await world.clock.advance(DAY_MS);
  const { round } = sweeperOf(term);
  world.artifactsAway = true;
  await round();
  world.artifactsAway = false;
  const [manifest = ""] = [...world.blobs.keys()]
    .filter((key) => key.startsWith("cas/"))
    .filter(
      (key) =>
        world.blobs.get(key)?.toString().includes('"v":1') &&
        world.blobs.get(key)?.toString().includes('"index"'),
    );
  const bytes = world.blobs.get(manifest);
  if (bytes === undefined) throw new SaiError("internal", "there is no manifest");
  world.blobs.set(manifest, Buffer.from("damaged"));
  await round();
  expect(runKeys()).toEqual([...kept, ...losers].sort());
  world.blobs.set(manifest, bytes);
  await round();
  expect(runKeys()).toEqual(kept);
});

test("a sweep ends with its term, in the middle of a campaign, and the next leader's goes on", async () => {
  const term = await world.term();
  const { losers, kept } = await withLosers(term);
  await world.clock.advance(DAY_MS);
  const { round } = sweeperOf(term);
  const over = new AbortController();
  const remove = term.parts.artifacts.remove;
  term.parts.artifacts.remove = async (key) => {
    over.abort(new Error("the term is over"));
    await remove(key);
  };
  await sweeperOf(term).round(over.signal);
  expect(runKeys()).toHaveLength(kept.length + losers.length - 1);
  await round();
  expect(runKeys()).toEqual(kept);
});

test("a sweep ends with its term, in the middle of a campaign, and the next leader's goes on", async () => {
  const term = await world.term();
  const { losers, kept } = await withLosers(term);
  await world.clock.advance(DAY_MS);
  const { round } = sweeperOf(term);
  const over = new AbortController();
  const remove = term.parts.artifacts.remove;
  term.parts.artifacts.remove = async (key) => {
    over.abort(new Error("the term is over"));
    await remove(key);
  };
  await sweeperOf(term).round(over.signal);
  expect(runKeys()).toHaveLength(kept.length + losers.length - 1);
  await round();
  expect(runKeys()).toEqual(kept);
});

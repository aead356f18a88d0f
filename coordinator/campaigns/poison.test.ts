/** Deaths, suspects, names and splits; also over a change of leaders, and against results that come late. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { StoreError } from "../store/store.js";
import type { CampaignEntry } from "./board.js";
import { type JobEntry, type ShardKey, suspectsOf } from "./board.js";
import { completeAttempt, expireAttempt, failAttempt, lateFailure } from "./complete-attempt.js";
import { reportDeath } from "./poison.js";
import { shardEvent } from "./shard-steps.js";
import { type Term, World } from "./world.test-support.js";

let world: World;
let term: Term;
let entry: CampaignEntry;
beforeEach(async () => {
  world = new World();
  term = await world.term();
  entry = await term.campaign({ items: 8, shardSize: 4, run: { retry: { max: 5 } } });
});
afterEach(() => world.close());

const key = (index: number): ShardKey => ({ campaign: entry.value.id, job: "j0000", index });
const job = (): JobEntry => {
  const found = term.board.job(entry.value.id, "j0000");
  if (found === undefined) throw new Error("the job is gone");
  return found;
};
const kinds = () => job().shards.map(({ kind }) => kind);
/** The engine of an attempt dies with these samples in flight. */
async function engineDies(index: number, items: number[], agent = "n1") {
  const fence = term.give(key(index), agent);
  const failure = { agent, fence, class: "poison" as const, message: "the engine died", items };
  await world.get(failAttempt(term.parts, key(index), failure));
  return { fence, failure };
}

test("the first death makes suspects, the second names the sample; the rest goes on and everything has a record", async () => {
  await engineDies(0, [1]);
  expect([kinds(), suspectsOf(job(), 0), suspectsOf(job(), 1)]).toEqual([["PENDING", "PENDING"], [1], []]);
  await engineDies(0, [1], "n2");
  expect(kinds()).toEqual(["SPLIT", "PENDING", "PENDING", "FAILED", "PENDING"]);
  expect([...job().children]).toEqual([
    [2, { first: 0, count: 1 }],
    [3, { first: 1, count: 1 }],
    [4, { first: 2, count: 2 }],
  ]);
  expect([2, 3, 4].map((index) => suspectsOf(job(), index))).toEqual([[], [1], []]);
  await term.runAll(entry);
  expect(entry.value).toMatchObject({
    state: { kind: "PARTIAL" },
    tally: { samples: 8, samplesDone: 8, samplesFailed: 1, shards: 4, shardsDone: 4 },
  });
  const records = await term.allRecords(entry.value.id);
  expect(records.map(({ ordinal, status }) => `${ordinal} ${status}`)).toEqual([
    ...["0 ok", "1 poison", "2 ok", "3 ok", "4 ok", "5 ok", "6 ok", "7 ok"],
  ]);
  expect(records[1]?.error?.message).toContain("2 deaths were reported with sample 1 in flight");
});

test("a death counts once, however often it is reported, and also after a change of leaders", async () => {
  const { fence, failure } = await engineDies(0, [1]);
  await world.get(failAttempt(term.parts, key(0), failure));
  await world.get(failAttempt(term.parts, key(0), { ...failure, fence }));
  expect(kinds()[0]).toBe("PENDING");
  term = await world.term();
  entry = term.board.campaign(entry.value.id) ?? entry;
  expect([suspectsOf(job(), 0), job().shards[0]]).toMatchObject([
    [1],
    { failures: { poison: 1 }, failedOn: ["n1"] },
  ]);
  await world.get(failAttempt(term.parts, key(0), failure));
  expect(kinds()).toEqual(["PENDING", "PENDING"]);
  await engineDies(0, [1]);
  expect(kinds()).toEqual(["SPLIT", "PENDING", "PENDING", "FAILED", "PENDING"]);
  term = await world.term();
  entry = term.board.campaign(entry.value.id) ?? entry;
  expect(kinds()).toEqual(["SPLIT", "PENDING", "PENDING", "FAILED", "PENDING"]);
  await term.runAll(entry);
  expect(entry.value.tally).toMatchObject({ samplesDone: 8, samplesFailed: 1 });
});

test("an agent's own deaths: one report an incarnation, and the attempt goes on until the second one", async () => {
  const fence = term.give(key(0));
  const report = (incarnation: bigint, items: number[]) =>
    world.get(reportDeath(term.parts, key(0), { agent: "n1", incarnation, fence, items }));
  await report(1n, [2]);
  await report(1n, [2]);
  expect([kinds()[0], suspectsOf(job(), 0)]).toEqual(["RUNNING", [2]]);
  await report(2n, [3]);
  expect([kinds()[0], suspectsOf(job(), 0)]).toEqual(["RUNNING", [2, 3]]);
  await report(3n, [2]);
  expect(kinds()).toEqual(["SPLIT", "PENDING", "PENDING", "FAILED", "PENDING"]);
  expect(term.told).toContainEqual({ kind: "stop", agent: "n1", fence: expect.any(String) });
  expect(suspectsOf(job(), 4)).toEqual([3]);
});

test("loss is no evidence, and neither is a death with nothing in flight", async () => {
  for (let i = 0; i < 2; i += 1) {
    const fence = term.give(key(0));
    await world.get(expireAttempt(term.parts, key(0), "n1", fence));
    await engineDies(0, []);
  }
  expect([kinds()[0], suspectsOf(job(), 0)]).toEqual(["PENDING", []]);
  expect(job().shards[0]).toMatchObject({ failures: { infra: 4, poison: 0 } });
});

test("deaths with ever other samples in flight use up the attempts; nobody is called poison", async () => {
  for (const item of [0, 1, 2, 3]) await engineDies(0, [item]);
  expect(kinds()[0]).toBe("PENDING");
  await engineDies(0, [9]); // not even one of its samples
  expect(job().shards[0]).toMatchObject({ kind: "FAILED", status: "engine_error" });
});

test("a shard of one sample is not split, but recorded as poison", async () => {
  entry = await term.campaign({ items: 2, shardSize: 1, name: "one" });
  await engineDies(1, [1]);
  await engineDies(1, [1]);
  expect(job().shards[1]).toMatchObject({ kind: "FAILED", status: "poison" });
  await term.runAll(entry);
  expect((await term.allRecords(entry.value.id)).map(({ status }) => status)).toEqual(["ok", "poison"]);
});

test("a result of the parent that comes after the split loses, and one that comes before it wins", async () => {
  const slow = term.give(key(0), "slow");
  const late = await term.result(key(0), slow, () => "ok", "slow");
  await world.get(expireAttempt(term.parts, key(0), "slow", slow));
  await engineDies(0, [1]);
  await engineDies(0, [1]);
  expect(await world.get(completeAttempt(term.parts, late))).toBe("SUPERSEDED");
  // In one moment: what is handed in first is first.
  const second = term.give(key(1), "slow");
  const early = await term.result(key(1), second, () => "ok", "slow");
  await world.get(expireAttempt(term.parts, key(1), "slow", second));
  await engineDies(1, [5]);
  const fence = term.give(key(1));
  const failure = { agent: "n1", fence, class: "poison" as const, message: "died", items: [5] };
  const verdict = completeAttempt(term.parts, early);
  const failed = failAttempt(term.parts, key(1), failure);
  expect(await world.get(verdict)).toBe("COMMITTED");
  await world.get(failed);
  expect(kinds()).toEqual(["SPLIT", "DONE", "PENDING", "FAILED", "PENDING"]);
  await term.runAll(entry);
  expect(entry.value.tally).toMatchObject({ samplesDone: 8, samplesFailed: 1, shards: 4 });
});

test("the late parent also loses against a leader that knows the split from its records only", async () => {
  const slow = term.give(key(0), "slow");
  const late = await term.result(key(0), slow, () => "ok", "slow");
  await world.get(expireAttempt(term.parts, key(0), "slow", slow));
  await engineDies(0, [0]);
  await engineDies(0, [0]);
  term = await world.term();
  entry = term.board.campaign(entry.value.id) ?? entry;
  expect(await world.get(completeAttempt(term.parts, late))).toBe("SUPERSEDED");
  expect(
    await world.get(term.parts.commits.commit(key(0), job().gate, { kind: "split", children: [] })),
  ).toBe("SUPERSEDED");
});

test("children are split again when another of their samples is named", async () => {
  await engineDies(0, [1]);
  await engineDies(0, [1]);
  await engineDies(4, [3]);
  await engineDies(4, [3]);
  expect(kinds()).toEqual(["SPLIT", "PENDING", "PENDING", "FAILED", "SPLIT", "PENDING", "FAILED"]);
  await term.runAll(entry);
  const records = await term.allRecords(entry.value.id);
  expect(records.map(({ status }) => status)).toEqual([
    "ok",
    "poison",
    "ok",
    "poison",
    "ok",
    "ok",
    "ok",
    "ok",
  ]);
});

test("reports at once about shards of one job give each child its own number", async () => {
  for (const [index, item] of [
    [0, 1],
    [1, 6],
  ] as const) {
    await engineDies(index, [item]);
  }
  const fences = [0, 1].map((index) => term.give(key(index)));
  const failures = [1, 6].map((item, index) => {
    const fence = fences[index] ?? { epoch: 0n, n: 0n };
    return failAttempt(term.parts, key(index), {
      agent: "n1",
      fence,
      class: "poison",
      message: "m",
      items: [item],
    });
  });
  await world.get(Promise.all(failures));
  expect(job().shards).toHaveLength(8);
  expect([...job().children.keys()]).toEqual([2, 3, 4, 5, 6, 7]);
  await term.runAll(entry);
  expect(entry.value.tally).toMatchObject({ samplesDone: 8, samplesFailed: 2 });
});

/** The next leader. */
async function newTerm() {
  term = await world.term();
  entry = term.board.campaign(entry.value.id) ?? entry;
}

test("an attempt that was counted as lost and goes on fails at no further cost, and its death is evidence", async () => {
  const fence = term.give(key(0));
  const comesBack = () =>
    shardEvent(term.parts, key(0), { kind: "adopt", fence, agent: "n1", running: true });
  const failure = { agent: "n1", fence, class: "poison" as const, message: "the engine died", items: [1] };
  await world.get(expireAttempt(term.parts, key(0), "n1", fence));
  for (const lead of [async () => {}, newTerm]) {
    await lead();
    comesBack();
    await world.get(expireAttempt(term.parts, key(0), "n1", fence));
    comesBack();
    await world.get(failAttempt(term.parts, key(0), failure));
    expect(job().shards[0]).toMatchObject({ kind: "PENDING", failures: { infra: 1, poison: 0 } });
    expect(suspectsOf(job(), 0)).toEqual([1]);
  }
});

test("a death that is told of an attempt which counts as failed leaves that failure, also for the next leader", async () => {
  const fence = term.give(key(0));
  await world.get(expireAttempt(term.parts, key(0), "n1", fence));
  await world.get(reportDeath(term.parts, key(0), { agent: "n1", incarnation: 1n, fence, items: [2] }));
  for (const lead of [async () => {}, newTerm]) {
    await lead();
    expect(job().shards[0]).toMatchObject({ kind: "PENDING", failures: { infra: 1, poison: 0 } });
    expect(suspectsOf(job(), 0)).toEqual([2]);
  }
});

test("a late failure moves no shard, and is no failure for the next leader either, but evidence", async () => {
  const late = term.give(key(0));
  shardEvent(term.parts, key(0), { kind: "withdraw", fence: late, reason: "drained", notify: false });
  const now = term.give(key(0), "n2");
  const failure = { agent: "n1", fence: late, class: "poison" as const, message: "it died", items: [3] };
  await world.get(lateFailure(term.parts, key(0), failure));
  expect(job().shards[0]).toMatchObject({ kind: "RUNNING", fence: now });
  await newTerm();
  expect(job().shards[0]).toMatchObject({ kind: "PENDING", failures: { infra: 0, poison: 0 } });
  expect(suspectsOf(job(), 0)).toEqual([3]);
});

test("a death that did not become durable is told again and counts then", async () => {
  let refuse = false;
  const request = async (call: string) => {
    if (refuse && call === "txn") throw new StoreError({ kind: "TooLarge", bytes: 2, limit: 1 });
  };
  term = await world.term({ hook: { request, reply: async () => {} } });
  entry = term.board.campaign(entry.value.id) ?? entry;
  const fence = term.give(key(0));
  const report = () =>
    world.get(reportDeath(term.parts, key(0), { agent: "n1", incarnation: 1n, fence, items: [2] }));
  refuse = true;
  await expect(report()).rejects.toThrow();
  expect(suspectsOf(job(), 0)).toEqual([]);
  refuse = false;
  await report();
  await newTerm();
  expect(suspectsOf(job(), 0)).toEqual([2]);
});

test("a report says nothing of samples that its shard does not have, or of shards that are none", async () => {
  const fence = term.give(key(0));
  const of = (index: number, items: number[], incarnation = 1n) =>
    world.get(reportDeath(term.parts, key(index), { agent: "n1", incarnation, fence, items }));
  for (const index of [2, 100_000_000, 4_294_967_295]) await of(index, [1]);
  await of(0, [5, 7, 9]);
  await of(1, [0, 1]);
  expect(job().deaths.size).toBe(0);
  await of(0, [3, 3, 4]);
  expect([...job().deaths.values()]).toEqual([[{ ordinal: 3, by: "n1#1" }]]);
  await of(0, [3], 2n);
  // Told of the split parent still.
  await of(0, [0, 6], 3n);
  expect([suspectsOf(job(), 2), suspectsOf(job(), 1)]).toEqual([[0], []]);
});

test("hundreds of named samples of one shard are split off in turns; more than can be in flight name none", async () => {
  entry = await term.campaign({ items: 500, shardSize: 5000, name: "many", run: { repetitions: 10 } });
  const fence = term.give(key(0));
  const of = (incarnation: bigint, count: number, apart: number) =>
    world.get(
      reportDeath(term.parts, key(0), {
        ...{ agent: "n1", incarnation, fence },
        items: Array.from({ length: count }, (_, i) => apart * i),
      }),
    );
  await of(1n, 2500, 2);
  expect(job().deaths.size).toBe(0);
  for (const incarnation of [2n, 3n]) await of(incarnation, 250, 20);
  const tally = () => job().shards.filter((shard) => shard.kind === "FAILED").length;
  expect(tally()).toBe(250);
  await newTerm();
  expect(tally()).toBe(250);
  await term.runAll(entry);
  expect(entry.value.tally).toMatchObject({ samples: 5000, samplesDone: 5000, samplesFailed: 250 });
});

/** Budgets over a real board and store: when nothing more is given out, how a campaign ends then, and what outlives a leader. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SuiteOptions } from "../../test/support/suites.js";
import type { CampaignEntry, ShardKey } from "./board.js";
import { lookAtBudgets, mayDispatch, spentOf, wallOf } from "./budgets.js";
import { completeAttempt, failAttempt } from "./complete-attempt.js";
import { pauseCampaign, resumeCampaign } from "./pause.js";
import { retryCampaign } from "./retry.js";
import { type Term, World } from "./world.test-support.js";

let world: World;
let term: Term;
beforeEach(async () => {
  world = new World();
  term = await world.term();
});
afterEach(() => world.close());

const key = (entry: CampaignEntry, index: number): ShardKey => ({
  ...{ campaign: entry.value.id, job: "j0000", index },
});
const job = (entry: CampaignEntry) => {
  const [first] = entry.jobs;
  if (first === undefined) throw new Error("it has no job");
  return first;
};
const may = (entry: CampaignEntry) => mayDispatch(entry, job(entry));
const look = async () => {
  lookAtBudgets(term.parts);
  await world.clock.advance(50);
};
const events = async () => {
  const kinds: string[] = [];
  for await (const { kind } of term.parts.events.follow(
    0,
    { campaign: "", node: "" },
    AbortSignal.timeout(1000),
    true,
  ))
    kinds.push(kind);
  return kinds;
};

/** An agent runs a shard, which costs so much. */
async function run(entry: CampaignEntry, index: number, usd: number, gpuHours = 0): Promise<void> {
  const fence = term.give(key(entry, index));
  const result = await term.result(key(entry, index), fence);
  await world.get(completeAttempt(term.parts, { ...result, spent: { usd, gpuHours } }));
}

const campaign = (budget: { [limit: string]: number }, more: SuiteOptions = {}) =>
  term.campaign({ items: 10, shardSize: 2, suite: { budget }, ...more });

test("at the end of its budget a campaign ends incomplete, says so, and keeps what it has", async () => {
  const entry = await campaign({ usd: 1 });
  expect(may(entry)).toBe(true);
  const fence = term.give(key(entry, 0));
  expect(may(entry)).toBe(false); // nothing is known yet: one at a time
  const result = await term.result(key(entry, 0), fence);
  await world.get(completeAttempt(term.parts, { ...result, spent: { usd: 0.4, gpuHours: 0 } }));
  expect(may(entry)).toBe(true);
  await run(entry, 1, 0.4);
  expect(may(entry)).toBe(false);
  await look();
  await term.ended(entry);
  expect(entry.value).toMatchObject({
    state: {
      kind: "PARTIAL",
      reason: "incomplete: budget of 1.00 USD reached after 0.80 USD: another shard takes about 0.40 USD",
    },
    stopped: { by: "budget" },
    spent: { usd: 0.8, gpuHours: 0 },
    tally: { samplesDone: 4, samples: 10 },
  });
  expect(await events()).toContain("campaign.budget_reached");
  expect((await term.allRecords(entry.value.id)).length).toBe(4);
});

test("what runs when it is reached finishes and counts; what has not begun is asked back", async () => {
  const entry = await campaign({ usd: 1 });
  await run(entry, 0, 0.2);
  const running = term.give(key(entry, 1));
  await run(entry, 2, 0.9);
  await look();
  expect(entry.value.stopped).toBeDefined();
  expect(entry.value.state.kind).toBe("RUNNING");
  expect(may(entry)).toBe(false);
  const late = await term.result(key(entry, 1), running);
  expect(await world.get(completeAttempt(term.parts, { ...late, spent: { usd: 0.2, gpuHours: 0 } }))).toBe(
    "COMMITTED",
  );
  await look();
  await term.ended(entry);
  expect(entry.value).toMatchObject({ spent: { usd: 1.3 }, tally: { samplesDone: 6 } });
  expect(term.told.filter(({ kind }) => kind === "stop")).toEqual([]);
});

test("the next leader knows what was spent, failed attempts included, and goes on to the end", async () => {
  const first = await campaign({ gpu_hours: 2 });
  await run(first, 0, 0, 0.5);
  const fence = term.give(key(first, 1));
  const failure = { agent: "n1", fence, class: "infra" as const, message: "it broke" };
  await world.get(failAttempt(term.parts, key(first, 1), { ...failure, spent: { usd: 0, gpuHours: 0.9 } }));
  term = await world.term();
  const entry = term.board.campaign(first.value.id) as CampaignEntry;
  expect(spentOf(entry).gpuHours).toBeCloseTo(1.4, 12);
  await look();
  expect(entry.value.stopped).toBeUndefined(); // held back: nobody knows yet what runs
  for (const one of entry.jobs) one.held = false;
  // 1.4 for one shard that ended: another is thought to take as much.
  expect(may(entry)).toBe(false);
  await look();
  await term.ended(entry);
  expect(entry.value.state).toMatchObject({ kind: "PARTIAL" });
});

test("that it is stopped outlives the leader that wrote it", async () => {
  const first = await campaign({ usd: 1 });
  await run(first, 0, 0.2);
  term.give(key(first, 1));
  await run(first, 2, 0.9);
  await look();
  term = await world.term();
  const entry = term.board.campaign(first.value.id) as CampaignEntry;
  expect(entry.value.stopped).toBeDefined();
  expect(may(entry)).toBe(false);
  for (const one of entry.jobs) one.held = false;
  await look();
  await term.ended(entry);
  expect(entry.value.state).toMatchObject({ kind: "PARTIAL", reason: expect.stringMatching(/^incomplete/) });
});

test("time counts from the first shard, not while it is paused, and ends what runs", async () => {
  const entry = await campaign({ wall_s: 60 });
  await world.clock.advance(100_000);
  await look();
  expect(entry.value.wall).toBeUndefined();
  term.give(key(entry, 0));
  await look();
  expect(entry.value.wall).toMatchObject({ ranMs: 0 });
  await world.clock.advance(30_000);
  await world.get(pauseCampaign(term.parts, entry, ""));
  await world.clock.advance(100_000);
  await world.get(resumeCampaign(term.parts, entry));
  await look();
  expect(wallOf(entry, world.clock.wallMs())).toBeLessThan(31_000);
  expect(entry.value.stopped).toBeUndefined();
  await world.clock.advance(31_000);
  await look();
  await term.ended(entry);
  expect(entry.value.state).toMatchObject({
    kind: "FAILED",
    reason: "incomplete: budget of 60 s reached, what ran was stopped",
  });
  expect(term.told.filter(({ kind }) => kind === "stop")).toHaveLength(1);
});

test("a campaign that is done within its budget succeeds, also when that is used up to the last", async () => {
  const entry = await campaign({ usd: 1 }, { items: 4 });
  await run(entry, 0, 0.5);
  await run(entry, 1, 0.5);
  await look();
  await term.ended(entry);
  expect(entry.value.state.kind).toBe("SUCCEEDED");
  expect(entry.value.stopped).toBeUndefined();
});

test("a retry has the same budget for itself, or another one", async () => {
  const entry = await campaign({ usd: 1, gpu_hours: 3 });
  await run(entry, 0, 1.5);
  await look();
  await term.ended(entry);
  const again = await world.get(
    retryCampaign(term.parts, entry, { idempotencyKey: "", budget: { usd: 10 } }),
  );
  await world.until("it runs", () => again.value.state.kind === "RUNNING");
  expect(again.value.budget).toEqual({ usd: 10, gpuHours: 3 });
  for (let index = 0; index < 4; index += 1) await run(again, index, 1.5);
  await term.ended(again);
  expect(again.value.state.kind).toBe("SUCCEEDED");
});

test("a price by the hour counts the hours", async () => {
  const entry = await campaign({ usd: 3 }, { model: { price: { gpu_hour: 2 } } });
  await run(entry, 0, 0, 1);
  expect(spentOf(entry)).toEqual({ usd: 2, gpuHours: 1 });
  expect(may(entry)).toBe(false);
});

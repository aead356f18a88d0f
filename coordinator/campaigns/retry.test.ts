/** Retries: what is run again, under which names, and how results of a chain merge. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Status } from "../../shared/benchmark/record.js";
import { suiteOf } from "../../test/support/suites.js";
import type { CampaignEntry } from "./board.js";
import { failAttempt } from "./complete-attempt.js";
import { campaignEvent } from "./lifecycle.js";
import { planOfRetry, type RetryOptions, retryCampaign } from "./retry.js";
import { submitCampaign } from "./submit.js";
import { type Term, World } from "./world.test-support.js";

let world: World;
let term: Term;
beforeEach(async () => {
  world = new World();
  term = await world.term();
});
afterEach(() => world.close());

const SUITE = { items: 10, shardSize: 3 };

/** Runs a campaign in which some samples end as said, the others ok. */
async function ended(odd: { [ordinal: number]: Status }, suite = SUITE): Promise<CampaignEntry> {
  const entry = await term.campaign(suite);
  await term.runAll(entry, (ordinal) => odd[ordinal] ?? "ok");
  return entry;
}

const retry = (entry: CampaignEntry, options: Partial<RetryOptions> = {}) =>
  world.get(retryCampaign(term.parts, entry, { idempotencyKey: "", ...options }));

async function retried(
  entry: CampaignEntry,
  odd: { [ordinal: number]: Status } = {},
): Promise<CampaignEntry> {
  const again = await retry(entry);
  await world.until("the retry runs", () => again.value.state.kind === "RUNNING");
  await term.runAll(again, (ordinal) => odd[ordinal] ?? "ok");
  return again;
}

/** The engine dies twice with a sample of a shard in flight. */
async function poisoned({ value }: CampaignEntry, index: number, ordinal: number): Promise<void> {
  const key = { campaign: value.id, job: "j0000", index };
  for (let death = 0; death < 2; death += 1) {
    const fence = term.give(key);
    const failure = { agent: "n1", fence, class: "poison" as const, message: "died", items: [ordinal] };
    await world.get(failAttempt(term.parts, key, failure));
  }
}

const shown = async (id: string) =>
  (await term.allRecords(id)).map(({ ordinal, status, campaign }) => `${ordinal} ${status} ${campaign}`);

test("run again are failures that may pass, under their own names; answers and refusals are results", async () => {
  const first = await ended({
    ...{
      0: "engine_error",
      1: "parse_error",
      3: "refused",
      4: "timeout",
      7: "oom",
      8: "cancelled",
      9: "poison",
    },
  });
  const again = await retry(first);
  await world.until("the retry runs", () => again.value.state.kind === "RUNNING");
  expect(again.value).toMatchObject({ retryOf: first.value.id, name: first.value.name });
  expect(again.plan?.jobs).toMatchObject([
    { id: "j0000", samples: 4, retry: { campaign: first.value.id, ordinals: [0, 4, 7, 8] } },
  ]);
  await term.runAll(again);
  expect(again.value).toMatchObject({ state: { kind: "SUCCEEDED" }, tally: { samples: 4, samplesDone: 4 } });

  const [before, after] = [await term.allRecords(first.value.id), await term.allRecords(again.value.id)];
  expect(after.map(({ record_id, pair_key }) => [record_id, pair_key])).toEqual(
    before.map(({ record_id, pair_key }) => [record_id, pair_key]),
  );
  expect(after.map(({ status }) => status)).toEqual([
    ...["ok", "parse_error", "ok", "refused", "ok", "ok", "ok", "ok", "ok", "poison"],
  ]);
  const cell = async (id: string) => (await term.parts.results.summary(id)).cells[0]?.counts;
  expect(await cell(first.value.id)).toMatchObject({
    planned: 10,
    ok: 3,
    engineError: 1,
    timeout: 1,
    oom: 1,
    notRun: 0,
  });
  expect(await cell(again.value.id)).toMatchObject({
    planned: 10,
    ok: 7,
    engineError: 0,
    poison: 1,
    notRun: 0,
  });
  const { warnings, campaignId } = await term.parts.results.summary(again.value.id);
  expect([campaignId, warnings.join()]).toEqual([again.value.id, expect.stringContaining(first.value.id)]);
  expect(world.blobs.has(`run/${again.value.id}/summary.json`)).toBe(true);
});

test("samples without a record are run, too: of a cancelled campaign, and of shards that were given up", async () => {
  const first = await term.campaign({ ...SUITE, run: { retry: { max: 1 } } });
  const key = (index: number) => ({ campaign: first.value.id, job: "j0000", index });
  await term.run(key(1));
  const fence = term.give(key(2));
  await world.get(failAttempt(term.parts, key(2), { agent: "n1", fence, class: "infra", message: "broken" }));
  await world.get(campaignEvent(term.parts, first, { kind: "cancel", reason: "enough" }));
  await term.ended(first);
  const again = await retried(first);
  expect(again.plan?.jobs[0]?.retry?.ordinals).toEqual([0, 1, 2, 6, 7, 8, 9]);
  const both = (await shown(again.value.id)).map((line) =>
    line.replace(first.value.id, "1").replace(again.value.id, "2"),
  );
  expect(both).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((o) => `${o} ok ${o >= 3 && o <= 5 ? 1 : 2}`));
});

test("a chain of retries: each sample's record is the newest one, and only what is left is run", async () => {
  const first = await ended({ 2: "timeout", 5: "timeout", 9: "timeout" });
  const second = await retried(first, { 5: "oom", 9: "timeout" });
  const third = await retried(second, { 9: "timeout" });
  expect([second, third].map(({ plan }) => plan?.jobs[0]?.retry)).toEqual([
    { campaign: first.value.id, ordinals: [2, 5, 9] },
    { campaign: first.value.id, ordinals: [5, 9] },
  ]);
  const lines = await shown(third.value.id);
  expect([lines[2], lines[5], lines[9]]).toEqual([
    ...[`2 ok ${second.value.id}`, `5 ok ${third.value.id}`, `9 timeout ${third.value.id}`],
  ]);
  expect(lines).toHaveLength(10);
  // Also for a leader that knows them from the stores only.
  term = await world.term();
  expect(await shown(third.value.id)).toEqual(lines);
  const [again] = term.board.list();
  expect(again?.value.id).toBe(third.value.id);
  if (again) expect((await retry(again)).value.retryOf).toBe(third.value.id);
});

test("jobs in which nothing is left are not planned", async () => {
  const models = [
    { id: "a", engine: "simulated" },
    { id: "b", engine: "simulated" },
  ];
  const suite = JSON.stringify({ ...JSON.parse(suiteOf({ items: 3, shardSize: 3 })), models });
  const entry = await world.get(
    submitCampaign(term.parts, { suite, inputs: [], modelMap: {}, priority: 0 }, ""),
  );
  await world.until("it runs", () => entry.value.state.kind === "RUNNING");
  await term.run({ campaign: entry.value.id, job: "j0000", index: 0 });
  await term.run({ campaign: entry.value.id, job: "j0001", index: 0 }, (o) => (o === 1 ? "timeout" : "ok"));
  await term.ended(entry);
  const again = await retried(entry);
  expect(again.plan?.jobs.map(({ id, samples }) => [id, samples])).toEqual([["j0001", 1]]);
  expect(
    (await term.allRecords(again.value.id)).map(({ job, ordinal, status }) => `${job} ${ordinal} ${status}`),
  ).toEqual([...["j0000 0 ok", "j0000 1 ok", "j0000 2 ok", "j0001 0 ok", "j0001 1 ok", "j0001 2 ok"]]);
});

test("refused: what has not ended, has nothing to retry, was retried already, or was never planned", async () => {
  const open = await term.campaign({ ...SUITE, name: "open" });
  await expect(retry(open)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("has not ended"),
  });
  const fine = await term.campaign({ ...SUITE, name: "fine" });
  await poisoned(fine, 0, 2);
  await term.runAll(fine, (ordinal) => (ordinal === 1 ? "parse_error" : "ok"));
  await expect(retry(fine)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `campaign ${fine.value.id} has nothing to retry: no sample lacks an answer; 1 sample that killed the engine twice will not be run again`,
  });
  const first = await ended({ 1: "timeout" });
  const [one, two] = await world.get(
    Promise.allSettled([1, 2].map(() => retryCampaign(term.parts, first, { idempotencyKey: "" }))),
  );
  expect([one?.status, two?.status]).toEqual(["fulfilled", "rejected"]);
  const id = first.retriedBy[0];
  expect(two).toMatchObject({
    reason: {
      message: expect.stringContaining(`was retried as ${id}`),
      hint: expect.stringContaining(`${id}`),
    },
  });
  const unplanned = await term.submit({ ...SUITE, name: "unplanned" });
  await world.get(campaignEvent(term.parts, unplanned, { kind: "cancel", reason: "no" })).catch(() => {});
  if (unplanned.plan === undefined) {
    await expect(retry(unplanned)).rejects.toMatchObject({
      message: expect.stringContaining("never planned"),
    });
  }
});

test("an idempotency key stands for one retry, and is not that of another request", async () => {
  const first = await ended({ 1: "timeout" });
  const one = await retry(first, { idempotencyKey: "again" });
  expect(await retry(first, { idempotencyKey: "again" })).toBe(one);
  await expect(retry(first, { idempotencyKey: "again", priority: 5 })).rejects.toMatchObject({
    code: "already_exists",
  });
  expect(term.board.list()).toHaveLength(2);
});

test("a leader that dies while a retry is planned leaves it to the next, with the same samples", async () => {
  const first = await ended({ 1: "timeout", 8: "oom" });
  const priority = { idempotencyKey: "", priority: 9 };
  const again = await world.get(retryCampaign(term.parts, first, priority));
  term.crash();
  term = await world.term();
  const after = term.board.campaign(again.value.id);
  if (after === undefined) throw new Error("an acknowledged retry is gone");
  await world.until("it runs", () => after.value.state.kind === "RUNNING");
  expect([after.value.priority, after.plan?.jobs[0]?.retry?.ordinals]).toEqual([9, [1, 8]]);
  await term.runAll(after);
  expect(after.value.state.kind).toBe("SUCCEEDED");
});

test("a retry's shard that is given up names its samples as the first campaign does", async () => {
  const first = await ended({ 3: "timeout", 7: "timeout" }, {
    ...SUITE,
    run: { retry: { max: 1 } },
  } as typeof SUITE);
  const again = await retry(first);
  await world.until("the retry runs", () => again.value.state.kind === "RUNNING");
  const key = { campaign: again.value.id, job: "j0000", index: 0 };
  const fence = term.give(key);
  await world.get(
    failAttempt(term.parts, key, { agent: "n1", fence, class: "resource", message: "no memory" }),
  );
  await term.ended(again);
  const [before, after] = [await term.allRecords(first.value.id), await term.allRecords(again.value.id)];
  expect(after.map(({ record_id, ordinal }) => [record_id, ordinal])).toEqual(
    before.map(({ record_id, ordinal }) => [record_id, ordinal]),
  );
  expect([3, 7].map((o) => after[o]?.status)).toEqual(["oom", "oom"]);
});

test("poison in a retry is named by its ordinal there and in the first campaign alike", async () => {
  const first = await ended({ 3: "timeout", 7: "timeout", 8: "timeout" });
  const again = await retry(first);
  await world.until("the retry runs", () => again.value.state.kind === "RUNNING");
  await poisoned(again, 0, 7);
  expect(again.jobs[0]?.shards.map(({ kind }) => kind)).toEqual(["SPLIT", "PENDING", "FAILED", "PENDING"]);
  await term.runAll(again);
  const lines = await shown(again.value.id);
  expect([lines[3], lines[7], lines[8]]).toEqual([
    ...[`3 ok ${again.value.id}`, `7 poison ${again.value.id}`, `8 ok ${again.value.id}`],
  ]);
});

test("what is run again is the same, and shown whole, when others are asked for while it is read", async () => {
  const suite = { ...SUITE, models: 2 };
  const first = await ended({ 0: "timeout", 1: "timeout" }, suite);
  const second = await retried(first, { 0: "timeout" });
  const { board, results } = term.parts;
  const others = Array.from({ length: 60 }, (_, i) =>
    board.add({ ...first.value, id: `c-other-${i}`, state: { kind: "FAILED", sinceMs: 0, reason: "" } }),
  );
  const push = async () => {
    for (const other of others) await board.loaded(other);
  };
  const ofShard: typeof results.ofShard = async (...of) => {
    await push();
    return results.ofShard(...of);
  };
  const parts = { ...term.parts, results: Object.assign(Object.create(results), { ofShard }) };
  const planned = await world.get(
    planOfRetry(parts, { ...second, value: { ...second.value, retryOf: second.value.id } }),
  );
  expect(planned.jobs.map(({ id, retry }) => [id, retry?.ordinals])).toEqual([
    ["j0000", [0]],
    ["j0001", [0]],
  ]);
  let records = 0;
  for await (const _ of results.records(second.value.id)) {
    records += 1;
    await push();
  }
  expect(records).toBe(20);
});

test("a chain of more retries than the board keeps loaded is shown and planned as a whole", async () => {
  let last = await ended({ 0: "timeout" });
  for (let n = 0; n < 52; n += 1) last = await retried(last, { 0: "timeout" });
  expect(await shown(last.value.id)).toHaveLength(10);
  const again = await retry(last);
  await world.until("the retry runs", () => again.value.state.kind === "RUNNING");
  expect(again.plan?.jobs).toMatchObject([{ samples: 1, retry: { ordinals: [0] } }]);
});

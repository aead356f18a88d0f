/** Second attempts of a shard: whose record counts, who is told what, and who pays. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { keys } from "../store/keys.js";
import type { JobEntry, ShardKey } from "./board.js";
import { completeAttempt, expireAttempt, failAttempt } from "./complete-attempt.js";
import { campaignEvent } from "./lifecycle.js";
import { shardEvent } from "./shard-steps.js";
import { isUnanswered, isUnstarted } from "./unstarted.js";
import { type Term, World } from "./world.test-support.js";

let world: World;
let term: Term;
let shard: ShardKey;
let job: JobEntry;
let first: Fence;
let twin: Fence;
beforeEach(async () => {
  world = new World();
  term = await world.term();
  const entry = await term.campaign({ items: 2, shardSize: 1 });
  shard = { campaign: entry.value.id, job: "j0000", index: 0 };
  job = entry.jobs[0] as JobEntry;
  first = term.give(shard, "n1");
  twin = { epoch: first.epoch, n: 900n };
  job.twins.set(0, { fence: twin, agent: "n2", accepted: false, started: false });
  shardEvent(term.parts, shard, { kind: "accept", fence: twin });
  shardEvent(term.parts, shard, { kind: "start", fence: twin });
});
afterEach(() => world.close());

const finish = async (fence: Fence, agent: string) => {
  const result = await term.result(shard, fence, () => "ok", agent);
  return world.get(completeAttempt(term.parts, result));
};
const told = (kind: "stop" | "ended") =>
  term.told.flatMap((one) => (one.kind === kind ? [`${one.agent} ${one.fence}`] : []));
const fail = (fence: Fence, agent: string, more: object = {}) =>
  world.get(failAttempt(term.parts, shard, { fence, agent, class: "infra", message: "it died", ...more }));
/** Records of failures in the store. */
async function failures(): Promise<number> {
  let n = 0;
  for await (const { kvs } of term.parts.state.list(keys.fails)) n += kvs.length;
  return n;
}

test.each([
  ["the duplicate", "n2", "n1"],
  ["the first", "n1", "n2"],
])("%s is sooner: its record counts, the other is stopped and superseded", async (_, winner, loser) => {
  const fences = new Map([
    ["n1", first],
    ["n2", twin],
  ]);
  const of = (agent: string) => fences.get(agent) as Fence;
  expect(await finish(of(winner), winner)).toBe("COMMITTED");
  expect(job.done.get(0)).toMatchObject({ fence: fenceText(of(winner)), agent: winner });
  expect(told("stop")).toEqual([`${loser} ${fenceText(of(loser))}`]);
  expect(told("ended").sort()).toEqual([`n1 ${fenceText(first)}`, `n2 ${fenceText(twin)}`]);
  expect(job.twins.size).toBe(0);
  expect(await finish(of(loser), loser)).toBe("SUPERSEDED");
  expect(job.inFlight).toBe(0);
});

test("a duplicate that fails, or is given back, is charged to nobody", async () => {
  await fail(twin, "n2");
  expect(term.board.shard(shard)).toMatchObject({ kind: "RUNNING", agent: "n1", failures: { infra: 0 } });
  expect([job.twins.size, job.failed.size, await world.get(failures())]).toEqual([0, 0, 0]);
  expect(told("ended")).toEqual([`n2 ${fenceText(twin)}`]);
  job.twins.set(0, { fence: twin, agent: "n2", accepted: false, started: false });
  shardEvent(term.parts, shard, { kind: "give_back", fence: twin, reason: "" });
  expect(job.twins.size).toBe(0);
  await fail(first, "n1");
  expect(term.board.shard(shard)).toMatchObject({ kind: "PENDING", failures: { infra: 1 } });
});

test.each([
  ["fails", () => fail(first, "n1"), 1],
  ["is lost", () => world.get(expireAttempt(term.parts, shard, "n1", first)), 1],
  [
    "is withdrawn",
    async () =>
      void shardEvent(term.parts, shard, { kind: "withdraw", fence: first, reason: "", notify: true }),
    0,
  ],
])("when the first %s its duplicate takes its place, and what happens to that counts", async (_, end, infra) => {
  await end();
  expect(term.board.shard(shard)).toMatchObject({
    ...{ kind: "RUNNING", agent: "n2", fence: twin },
    failures: { infra },
  });
  expect([job.twins.size, job.pending.has(0), job.inFlight]).toEqual([0, false, 1]);
  await fail(twin, "n2");
  expect(term.board.shard(shard)).toMatchObject({ kind: "PENDING", failures: { infra: infra + 1 } });
});

test("a death under a duplicate is evidence, and durable when it is answered", async () => {
  await fail(twin, "n2", { class: "poison", items: [0] });
  expect(await world.get(failures())).toBe(1);
  expect(term.board.shard(shard)).toMatchObject({ kind: "RUNNING", agent: "n1", failures: { poison: 0 } });
  await fail(first, "n1", { class: "poison", items: [0] });
  expect(job.done.get(0)).toMatchObject({ kind: "failed", status: "poison" });
});

test("cancelling stops both", async () => {
  const entry = term.board.campaign(shard.campaign);
  if (entry) await world.get(campaignEvent(term.parts, entry, { kind: "cancel", reason: "" }));
  expect(told("stop").sort()).toEqual([`n1 ${fenceText(first)}`, `n2 ${fenceText(twin)}`]);
  expect(job.twins.size).toBe(0);
});

test("a duplicate is asked back until its agent says that it has it, and may be until it has begun", () => {
  const own = { shard, fence: twin };
  const is = () => [isUnanswered(term.board, own), isUnstarted(term.board, own)];
  job.twins.set(0, { fence: twin, agent: "n2", accepted: false, started: false });
  expect(is()).toEqual([true, true]);
  shardEvent(term.parts, shard, { kind: "accept", fence: twin });
  expect(is()).toEqual([false, true]);
  shardEvent(term.parts, shard, { kind: "start", fence: twin });
  expect(is()).toEqual([false, false]);
  expect(isUnstarted(term.board, { shard, fence: first })).toBe(false);
  const second = { ...shard, index: 1 };
  const fence = { epoch: first.epoch, n: 901n };
  const given = { kind: "assign" as const, fence, agent: "n1", acceptByMs: 0 };
  term.board.shardEvent(second, given, 0);
  expect(isUnanswered(term.board, { shard: second, fence })).toBe(true);
  shardEvent(term.parts, second, { kind: "accept", fence });
  expect([isUnanswered, isUnstarted].map((holds) => holds(term.board, { shard: second, fence }))).toEqual([
    false,
    true,
  ]);
});

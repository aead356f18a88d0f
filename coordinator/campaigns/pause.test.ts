/** Pausing: what runs goes on and commits, what has not begun is asked back, and it outlives the leader. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { CampaignEntry, ShardKey } from "./board.js";
import { completeAttempt, shardEvent } from "./complete-attempt.js";
import { campaignEvent } from "./lifecycle.js";
import { pauseCampaign, resumeCampaign } from "./pause.js";
import { type Term, World } from "./world.test-support.js";

let world: World;
let term: Term;
let entry: CampaignEntry;
beforeEach(async () => {
  world = new World();
  term = await world.term();
  entry = await term.campaign({ items: 10, shardSize: 2 });
});
afterEach(() => world.close());

const key = (index: number): ShardKey => ({ campaign: entry.value.id, job: "j0000", index });
const pause = (reason = "the machine is needed") => world.get(pauseCampaign(term.parts, entry, reason));
const resume = () => world.get(resumeCampaign(term.parts, entry));
const kinds = () => [entry.value.state.kind, entry.jobs[0]?.state.kind];
let n = 1000n;
/** Sent to an agent, which has not said anything yet. */
function assign(index: number, agent: string): Fence {
  n += 1n;
  const fence = { epoch: term.parts.store.epoch, n };
  const event = { kind: "assign" as const, fence, agent, acceptByMs: world.clock.nowMs() + 5000 };
  expect(shardEvent(term.parts, key(index), event)).toBeDefined();
  return fence;
}

test("what has not begun is asked back and costs nothing; what runs commits while it is paused", async () => {
  const runs = term.give(key(0), "n1");
  const [waits, begins] = [assign(1, "n1"), assign(2, "n2")];
  const accepted = assign(3, "n2");
  shardEvent(term.parts, key(3), { kind: "accept", fence: accepted });
  await pause();
  expect(kinds()).toEqual(["PAUSED", "PAUSED"]);
  expect(term.told.filter(({ kind }) => kind !== "ended")).toEqual([
    { kind: "retract", agent: "n1", fences: [fenceText(waits)] },
    { kind: "retract", agent: "n2", fences: [begins, accepted].map(fenceText) },
  ]);
  // One was given back; the news that another had begun was on its way.
  shardEvent(term.parts, key(1), { kind: "give_back", fence: waits, reason: "given back" });
  shardEvent(term.parts, key(2), { kind: "start", fence: begins });
  expect(entry.jobs[0]?.shards.slice(0, 4)).toMatchObject([
    { kind: "RUNNING" },
    { kind: "PENDING", failures: { infra: 0 } },
    { kind: "RUNNING" },
    { kind: "ACCEPTED" },
  ]);
  const results = await Promise.all([term.result(key(0), runs), term.result(key(2), begins)]);
  for (const result of results)
    expect(await world.get(completeAttempt(term.parts, result))).toBe("COMMITTED");
  expect(term.told.filter(({ kind }) => kind === "stop")).toEqual([]);
  await resume();
  expect(kinds()).toEqual(["RUNNING", "RUNNING"]);
  shardEvent(term.parts, key(3), { kind: "give_back", fence: accepted, reason: "given back" });
  await term.runAll(entry);
  expect(entry.value).toMatchObject({ state: { kind: "SUCCEEDED" }, tally: { samplesDone: 10 } });
});

test("it is paused after a change of leaders, and goes on when it is resumed", async () => {
  await term.run(key(0));
  await pause("lunch");
  term = await world.term();
  entry = term.board.campaign(entry.value.id) ?? entry;
  expect(entry.value.state).toMatchObject({ kind: "PAUSED", reason: "lunch" });
  expect(kinds()).toEqual(["PAUSED", "PAUSED"]);
  await resume();
  term = await world.term();
  entry = term.board.campaign(entry.value.id) ?? entry;
  expect(kinds()).toEqual(["RUNNING", "RUNNING"]);
  await term.runAll(entry);
  expect(entry.value.state.kind).toBe("SUCCEEDED");
});

test("a campaign whose last shard ends while it is paused ends", async () => {
  const fences = [0, 1, 2, 3, 4].map((index) => term.give(key(index)));
  await pause();
  for (const [index, fence] of fences.entries()) {
    await world.get(completeAttempt(term.parts, await term.result(key(index), fence)));
  }
  await term.ended(entry);
  expect(entry.value.state.kind).toBe("SUCCEEDED");
});

test("a paused campaign can be cancelled, also by a leader that found it paused", async () => {
  const fence = term.give(key(0));
  await pause();
  term = await world.term();
  entry = term.board.campaign(entry.value.id) ?? entry;
  const result = await term.result(key(0), fence);
  await world.get(campaignEvent(term.parts, entry, { kind: "cancel", reason: "no more" }));
  await term.ended(entry);
  expect(entry.value.state).toMatchObject({ kind: "CANCELLED", reason: "no more" });
  expect(await world.get(completeAttempt(term.parts, result))).toBe("CLOSED");
});

test("twice is once; pausing and resuming at once take turns, and the store has what is shown", async () => {
  await Promise.all([pause("a"), pause("b")]);
  expect(entry.value.state).toMatchObject({ kind: "PAUSED", reason: "a" });
  await Promise.all([resume(), resume()]);
  expect(kinds()).toEqual(["RUNNING", "RUNNING"]);
  const orders = Array.from({ length: 12 }, (_, i) =>
    i % 3 === 0 ? pauseCampaign(term.parts, entry, `${i}`) : resumeCampaign(term.parts, entry),
  );
  await world.get(Promise.all(orders));
  const shown = entry.value.state;
  term = await world.term();
  expect(term.board.campaign(entry.value.id)?.value.state).toEqual(shown);
});

test("what cannot be paused or resumed says why, and what to do", async () => {
  const young = await term.submit({ items: 3, name: "young" });
  if (young.value.state.kind === "SUBMITTED") {
    await expect(pauseCampaign(term.parts, young, "r")).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("is being planned and cannot be paused"),
    });
  }
  await term.runAll(entry);
  await expect(pause()).rejects.toMatchObject({
    code: "failed_precondition",
    message: `campaign ${entry.value.id} has ended (succeeded) and cannot be paused`,
    hint: expect.stringContaining("retry"),
  });
  await expect(resume()).rejects.toMatchObject({ message: expect.stringContaining("cannot be resumed") });
});

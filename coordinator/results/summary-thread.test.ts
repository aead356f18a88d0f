import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import type { Plan } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { SummaryThread } from "./summary-thread.js";

const plan: Plan = { v: 1, campaign: "c-1", name: "n", description: "", suiteSha256: "s", jobs: [] };
const source = { plan, campaigns: ["c-1"] };
const meta = { state: "succeeded", createdAt: "", endedAt: "", planSha256: "p", warnings: [] };
const stray = { record_id: "r", job: "j0000", ordinal: 0, attempt: "1.1" } as ResultRecord;
async function* batches(...records: ResultRecord[][]) {
  yield* records;
}

const thread = new SummaryThread();
afterEach(() => thread.close());

test("summaries asked for at once are answered each with its own", async () => {
  const names = ["one", "two", "three"];
  const asked = names.map((name) =>
    thread.summarize({ ...source, plan: { ...plan, name } }, batches([stray]), meta),
  );
  const summaries = await Promise.all(asked);
  expect(summaries.map((summary) => summary.name)).toEqual(names);
  for (const { warnings } of summaries) expect(warnings).toEqual(["1 record of no sample of the plan"]);
});

test("records that cannot be read reject that summary and no other", async () => {
  async function* broken(): AsyncGenerator<ResultRecord[]> {
    yield [stray];
    throw new Error("the store is away");
  }
  const failed = thread.summarize(source, broken(), meta);
  const next = thread.summarize(source, batches(), meta);
  await expect(failed).rejects.toThrow("the store is away");
  expect((await next).warnings).toEqual([]);
});

test("what the aggregate throws is said, and a closed thread starts again", async () => {
  const bad = { ...plan, jobs: [null] } as unknown as Plan;
  await expect(thread.summarize({ ...source, plan: bad }, batches(), meta)).rejects.toThrow(
    "the summary cannot be computed",
  );
  await thread.close();
  expect((await thread.summarize(source, batches(), meta)).campaignId).toBe("c-1");
});

test("records that come without a pause do not hold the event loop up", async () => {
  let turns = 0;
  let counting = true;
  const count = () => {
    turns += 1;
    if (counting) setImmediate(count);
  };
  async function* endless(): AsyncGenerator<ResultRecord[]> {
    await new Promise((resolve) => setImmediate(resolve)); // the thread is up
    setImmediate(count);
    for (let i = 0; i < 300; i++) {
      for (const endMs = performance.now() + 1; performance.now() < endMs; );
      yield [stray];
    }
    counting = false;
  }
  await thread.summarize(source, endless(), meta);
  expect(turns).toBeGreaterThan(2);
});

test("records are read no faster than the thread adds them", async () => {
  const many = Array.from({ length: 200 }, (_, i) => ({ ...stray, record_id: `r${i}` }));
  let ahead = 0;
  let most = 0;
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (this: Worker, message: { kind: string }) {
    if (message.kind === "records") ahead += 1;
    most = Math.max(most, ahead);
    post.call(this, message);
  } as typeof post;
  const emit = Worker.prototype.emit;
  Worker.prototype.emit = function (this: Worker, event: string, value: { kind?: string }) {
    if (event === "message" && value.kind === "added") ahead -= 1;
    return emit.call(this, event, value);
  } as typeof emit;
  try {
    await thread.summarize(source, batches(...Array.from({ length: 200 }, () => many)), meta);
  } finally {
    Worker.prototype.postMessage = post;
    Worker.prototype.emit = emit;
  }
  expect(ahead).toBe(0);
  expect(most).toBe(16);
});

test("what is left of a summary that was given up does not touch the next one", async () => {
  const bad = { ...plan, jobs: [null] } as unknown as Plan;
  async function* broken(): AsyncGenerator<ResultRecord[]> {
    yield [stray];
    throw new Error("the store is away");
  }
  const failed = thread.summarize({ ...source, plan: bad }, broken(), meta);
  const next = thread.summarize(source, batches([stray]), meta);
  await expect(failed).rejects.toThrow("the store is away");
  expect((await next).warnings).toEqual(["1 record of no sample of the plan"]);
});

/** The board against a model that counts everything anew, and against what the state store would give back of it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { JobSpec, Plan } from "../../shared/benchmark/plan.js";
import { isFailure, type Status } from "../../shared/benchmark/record.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { RETRY_LIMITS } from "../../shared/domain/retry.js";
import type { ShardEvent } from "../../shared/domain/shard.js";
import { splitRange } from "../../shared/domain/sharding.js";
import { holdsFor } from "../../test/conformance/seeded.js";
import type { CampaignValue, DoneValue, FailValue } from "../store/values.js";
import { Board, countsOf, type JobEntry, rangeOf, tallyJob } from "./board.js";
import { setDone } from "./board-job.js";

const spec = (samples: number, shardSize: number): JobSpec =>
  ({ id: "j0000", samples, shardSize, maxAttempts: 5 }) as JobSpec;
const value = (id: string, more: Partial<CampaignValue> = {}): CampaignValue => ({
  ...{ id, name: id, description: "", priority: 0, createdMs: 0, suiteSha256: "", request: {}, warnings: [] },
  ...{ state: { kind: "RUNNING", sinceMs: 0, planSha256: "p" } },
  ...more,
});

function laidOut(samples: number, shardSize: number): { board: Board; job: JobEntry } {
  const board = new Board();
  const entry = board.add(value("c"));
  board.setPlan(entry, { jobs: [spec(samples, shardSize)] } as unknown as Plan, 0);
  const job = entry.jobs[0];
  if (job === undefined) throw new Error("the plan has a job");
  return { board, job };
}

type Step = { kind: ShardEvent["kind"] | "progress"; index: number; attempt: number; status: Status };
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(
    ...([
      "assign",
      "assign",
      "accept",
      "start",
      "progress",
      "upload",
      "commit",
      "give_back",
      "fail",
    ] as const),
    ...(["orphan", "expire", "adopt", "split", "give_up", "withdraw"] as const),
  ),
  index: fc.nat(11),
  attempt: fc.nat(2),
  status: fc.constantFrom<Status>("ok", "timeout", "parse_error"),
});

test("counters are those of a recount, and a restored job is the one that was written down", () => {
  holdsFor(
    "board",
    fc.property(
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 80 }),
      (samples, shardSize, steps) => {
        const { board, job } = laidOut(samples, shardSize);
        const written: {
          done: [number, DoneValue][];
          fails: { index: number; fence: Fence; value: FailValue }[];
        } = {
          ...{ done: [], fails: [] },
        };
        for (const { kind, index, attempt, status } of steps) {
          const key = { campaign: "c", job: "j0000", index };
          const fence = { epoch: 1n, n: BigInt(attempt) };
          const ended = (done: DoneValue) => {
            if (!setDone(job, index, done)) throw new Error("a shard ended twice");
            written.done.push([index, done]);
          };
          if (kind === "progress") {
            board.progressed(key, 1);
            continue;
          }
          const range = job.shards[index] === undefined ? { first: 0, count: 0 } : rangeOf(job, index);
          const children = kind === "split" ? splitRange(range, [range.first], job.shards.length) : [];
          const event = {
            ...{
              kind,
              fence,
              agent: `n${attempt}`,
              acceptByMs: 0,
              running: true,
              reason: "r",
              status: "oom",
            },
            ...{ class: "infra", message: "m", limits: RETRY_LIMITS, children: children.map((c) => c.index) },
          } as unknown as ShardEvent;
          const effects = board.shardEvent(key, event, 5);
          if (effects === undefined) continue;
          for (const effect of effects) {
            if (effect.kind !== "record_failure") continue;
            const agent = effects.flatMap((e) => (e.kind === "end_attempt" ? [e.agent] : []))[0] ?? "";
            written.fails.push({
              index,
              fence: effect.fence,
              value: { agent, class: effect.class, message: "m" },
            });
          }
          const gaveUp = effects.find((e) => e.kind === "fail_samples");
          if (kind === "commit") {
            const about = { agent: "a", uri: "", sha256: "", sizeBytes: 0 };
            ended({ kind: "result", fence: fenceText(fence), ...about, counts: { [status]: range.count } });
          } else if (kind === "split") ended({ kind: "split", children });
          else if (kind === "give_up") ended({ kind: "failed", status: "oom", cause: "", reason: "r" });
          else if (gaveUp?.kind === "fail_samples")
            ended({ kind: "failed", status: gaveUp.status, cause: "", reason: gaveUp.reason });
        }
        expect(tallyJob(job)).toEqual(recounted(job));
        expect(job.inFlight).toBe(job.shards.filter((shard) => "agent" in shard).length);
        for (const kind of Object.keys(job.counters.kinds) as (keyof typeof job.counters.kinds)[]) {
          expect(job.counters.kinds[kind], kind).toBe(
            job.shards.filter((shard) => shard.kind === kind).length,
          );
        }
        const pending = job.shards.flatMap(({ kind }, index) => (kind === "PENDING" ? [index] : []));
        expect([pending.every((index) => job.pending.has(index)), job.pending.size]).toEqual([
          true,
          pending.length,
        ]);

        const again = laidOut(samples, shardSize);
        // The store lists by key; a failure reported twice under one fence is one record.
        const fails = [
          ...new Map(written.fails.map((f) => [`${f.index}/${fenceText(f.fence)}`, f])).values(),
        ];
        const done = [...written.done].sort(([a], [b]) => a - b);
        again.board.restore(again.job, { gate: 7n, done, fails }, 9);
        expect({ ...tallyJob(again.job), samplesRunning: 0 }).toEqual({
          ...tallyJob(job),
          samplesRunning: 0,
        });
        for (const [index, shard] of job.shards.entries()) {
          const restored = again.job.shards[index];
          if (job.done.has(index)) expect(restored?.kind).toBe(shard.kind);
          else expect(restored?.kind).toBe("PENDING");
        }
        expect([again.job.held, again.job.state.kind]).toEqual([true, "RUNNING"]);
      },
    ),
    600,
  );
});

function recounted(job: JobEntry) {
  const tally = { samples: job.spec.samples, samplesDone: 0, samplesFailed: 0, samplesRunning: 0 };
  let splits = 0;
  for (const [index, done] of job.done) {
    if (done.kind === "split") splits += 1;
    for (const [status, n] of Object.entries(countsOf(job, index, done))) {
      tally.samplesDone += n;
      if (isFailure(status as Status)) tally.samplesFailed += n;
    }
  }
  for (const [index, n] of job.running) if (job.shards[index]?.kind === "RUNNING") tally.samplesRunning += n;
  return { ...tally, shards: job.shards.length - splits, shardsDone: job.done.size - splits };
}

test("a shard that failed is retried elsewhere after a restart, too", () => {
  const { board, job } = laidOut(4, 2);
  const fence = { epoch: 1n, n: 1n };
  const fail = (agent: string, more: Partial<FailValue> = {}) => ({
    ...{ index: 1, fence },
    value: { agent, class: "infra" as const, message: "m", ...more },
  });
  const fails = [fail("a"), fail("b"), fail("a"), fail("c", { wentOn: true, class: "poison" })];
  board.restore(job, { gate: 3n, done: [], fails, paused: "lunch" }, 100);
  expect(job.shards[1]).toEqual({
    ...{ kind: "PENDING", failedOn: ["a", "b"] },
    failures: { infra: 3, resource: 0, poison: 0 },
  });
  expect(job.state).toMatchObject({ kind: "PAUSED", gate: 3n, reason: "lunch" });
  expect([job.pending.ready, job.pending.waiting]).toEqual([1, 1]);
});

test("campaigns are listed newest first, and retries are known to what they retry", () => {
  const board = new Board();
  for (const id of ["c-2", "c-1", "c-3"]) board.add(value(id));
  expect(board.list()).toBe(board.list());
  const retry = board.add(value("c-4", { retryOf: "c-1" }));
  expect(board.list().map((entry) => entry.value.id)).toEqual(["c-4", "c-3", "c-2", "c-1"]);
  expect([board.campaign("c-1")?.retriedBy, retry.retriedBy]).toEqual([["c-4"], []]);
  // Its id is the smaller one after the clock was set back, so that a new leader finds it first.
  board.add(value("c-5", { retryOf: "c-6" }));
  expect(board.add(value("c-6")).retriedBy).toEqual(["c-5"]);
});

test("of ended campaigns the jobs of the last fifty that were asked for are kept; others are read again", async () => {
  const board = new Board();
  const loads: string[] = [];
  board.loadWith(async (entry) => {
    loads.push(entry.value.id);
    board.setPlan(entry, { jobs: [spec(2, 1)] } as unknown as Plan, 0);
  });
  const state = { kind: "SUCCEEDED", sinceMs: 0, planSha256: "p", reason: "" } as const;
  const entries = Array.from({ length: 60 }, (_, i) => board.add(value(`c-${i}`, { state })));
  for (const entry of entries) await board.loaded(entry);
  const [first, last] = [entries[0], entries[59]];
  if (first === undefined || last === undefined) return;
  expect([first.jobs.length, last.jobs.length, loads.length]).toEqual([0, 1, 60]);
  await Promise.all([board.loaded(first), board.loaded(first), board.loaded(last)]);
  expect([first.jobs.length, loads.length]).toEqual([1, 61]);
  board.loadWith(() => Promise.reject(new Error("away")));
  const gone = board.add(value("c-99", { state }));
  await expect(board.loaded(gone)).rejects.toThrow("away");
  await expect(board.loaded(gone)).rejects.toThrow("away");
});

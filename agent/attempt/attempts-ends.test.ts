import { expect, test } from "vitest";
import { silentLogger } from "../../shared/runtime/logger.js";
import { DeviceLedger } from "../leases/device-ledger.js";
import type { Assignment } from "./assignment.js";
import { type AttemptOutcome, Attempts } from "./attempts.js";

/** Attempts whose runs end when the test says so. */
function held(slots = 2) {
  const runs: { n: bigint; end(outcome: AttemptOutcome): void; signal: AbortSignal }[] = [];
  const freed: string[] = [];
  const dropped: bigint[] = [];
  const attempts = new Attempts(
    new DeviceLedger([{ uuid: "cpu", lane: "cpu", slots }]),
    (assignment, _device, _hooks, signal) =>
      new Promise((resolve) => {
        runs.push({ n: assignment.fence.n, end: resolve, signal });
        signal.addEventListener("abort", () => resolve({ kind: "cancelled" }));
      }),
    async (fence) => void dropped.push(fence.n),
    silentLogger(),
    {
      started() {},
      finished() {},
      failed: () => true,
      retracted() {},
      freed: (lane) => void freed.push(lane),
    },
  );
  return { attempts, runs, freed, dropped };
}

const fence = (n: number) => ({ epoch: 1n, n: BigInt(n) });
const assignment = (n: number): Assignment => ({
  fence: fence(n),
  shard: { campaign: "c", job: "j", index: n, first: 0, count: 1 },
  ...{ gate: 1n, planSha256: "", lane: "cpu", deadlineMs: 1000, attempt: 0 },
});
const result = (n: number): AttemptOutcome => {
  const { shard, gate } = assignment(n);
  const bytes = { uri: "", sha256: "", sizeBytes: 0, counts: {}, inline: undefined };
  return { kind: "result", result: { fence: fence(n), shard, gate, ...bytes } };
};
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("the same assignment twice is accepted twice and runs once", async () => {
  const { attempts, runs } = held();
  expect([attempts.accept(assignment(1)), attempts.accept(assignment(1))]).toEqual(["accepted", "accepted"]);
  await settle();
  expect(runs.map(({ n }) => n)).toEqual([1n]);
});

test("stopping one attempt leaves the others, and only what has not begun can be given back", async () => {
  const { attempts, runs } = held();
  for (const n of [1, 2, 3]) attempts.accept(assignment(n));
  await settle();
  expect([attempts.retract(fence(1)), attempts.retract(fence(3))]).toEqual([false, true]);
  await attempts.cancel(fence(1), "test");
  expect(runs.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  expect(attempts.list().map(({ assignment: a, state }) => [a.fence.n, state])).toEqual([[2n, "running"]]);
});

test("an attempt is worth one credit, however it ends, and a late stop gives none back", async () => {
  const { attempts, runs, freed, dropped } = held();
  for (const n of [1, 2, 3, 4]) attempts.accept(assignment(n));
  attempts.retract(fence(4));
  await settle();
  runs[0]?.end(result(1));
  await settle();
  await attempts.cancel(fence(2), "test");
  await attempts.cancel(fence(1), "it is no longer wanted");
  await attempts.cancel(fence(3), "test");
  await settle();
  expect(freed).toHaveLength(4);
  expect(attempts.list()).toEqual([]);
  expect(dropped.sort()).toEqual([1n, 2n, 3n]);
});

test("a finished attempt is held, and sent again, until somebody answers for it", async () => {
  const { attempts, runs, dropped } = held();
  attempts.accept(assignment(1));
  await settle();
  runs[0]?.end(result(1));
  await settle();
  await attempts.close("test");
  expect(attempts.unacknowledged().map((r) => r.fence.n)).toEqual([1n]);
  expect(dropped).toEqual([]);
  await attempts.acknowledged(fence(1));
  expect([attempts.unacknowledged(), dropped]).toEqual([[], [1n]]);
});

/** What the coordinator must hear of, whether or not somebody listens just now: failures, and what is given back. */
import { expect, test } from "vitest";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { DeviceLedger } from "../leases/device-ledger.js";
import type { Assignment } from "./assignment.js";
import { type AttemptOutcome, Attempts } from "./attempts.js";

const fence = (n: number) => ({ epoch: 1n, n: BigInt(n) });
const assignment = (n: number): Assignment => ({
  fence: fence(n),
  shard: { campaign: "c", job: "j", index: n, first: 0, count: 1 },
  ...{ gate: 1n, planSha256: "", lane: "cpu", deadlineMs: 1000, attempt: 0 },
});
const settle = () => new Promise((resolve) => setImmediate(resolve));

function held(slots: number) {
  const ends: ((outcome: AttemptOutcome) => void)[] = [];
  const news: string[] = [];
  const logs: string[] = [];
  const said = { listening: false };
  const fail = (n: number) => {
    const failure = {
      fence: fence(n),
      shard: assignment(n).shard,
      class: "resource",
      cause: "",
      message: "",
    } as const;
    ends[n - 1]?.({ kind: "failed", failure });
  };
  const names = (fences: Fence[]) => fences.map(fenceText).join(" ");
  const attempts = new Attempts(
    new DeviceLedger([{ uuid: "cpu", lane: "cpu", slots }]),
    () => new Promise((resolve) => ends.push(resolve)),
    async () => {},
    lineLogger((line) => logs.push(line), "warn"),
    {
      ...{ started() {}, finished() {} },
      freed: () => void news.push("freed"),
      retracted: (fences) => void news.push(`retracted ${names(fences)}`),
      failed: (failure) => said.listening && news.push(`failed ${fenceText(failure.fence)}`) > 0,
    },
  );
  return { attempts, fail, news, logs, said };
}

test("a failure waits for somebody to hear it, is held meanwhile, and is told once", async () => {
  const { attempts, fail, news, said } = held(2);
  for (const n of [1, 2, 3]) attempts.accept(assignment(n));
  await settle();
  fail(1);
  await settle();
  expect(attempts.list().map(({ state }) => state)).toEqual(["running", "running", "failed"]);
  expect(attempts.active("cpu")).toBe(2);
  expect(news).toEqual(["freed"]);

  const told: string[] = [];
  attempts.tellFailures(() => false);
  attempts.tellFailures((failure) => told.push(failure.class) > 0);
  attempts.tellFailures((failure) => told.push(failure.class) > 0);
  expect(told).toEqual(["resource"]);
  expect(attempts.holds(fence(1))).toBe(false);

  said.listening = true;
  fail(2);
  await settle();
  expect(news).toEqual(["freed", "failed 1.2", "freed"]);
  expect(attempts.list().map(({ assignment: a }) => a.fence.n)).toEqual([3n]);
});

test("a failure nobody wants any more is not told", async () => {
  const { attempts, fail } = held(1);
  attempts.accept(assignment(1));
  await settle();
  fail(1);
  await settle();
  await attempts.cancel(fence(1), "the coordinator has given it to another node");
  const told: unknown[] = [];
  attempts.tellFailures((failure) => told.push(failure) > 0);
  expect(told).toEqual([]);
});

test("of very many failures the newest thousand wait, and the log says what was forgotten", async () => {
  const { attempts, fail, logs } = held(1003);
  for (let n = 1; n <= 1003; n += 1) attempts.accept(assignment(n));
  await settle();
  for (let n = 1; n <= 1003; n += 1) fail(n);
  await settle();
  const told: bigint[] = [];
  attempts.tellFailures((failure) => told.push(failure.fence.n) > 0);
  expect([told.length, told[0], told.at(-1)]).toEqual([1000, 4n, 1003n]);
  expect(logs.map((line) => (JSON.parse(line) as { attempt: string }).attempt)).toEqual([
    "1.1",
    "1.2",
    "1.3",
  ]);
});

test("draining gives back what has not started, once, and nothing is worth a credit any more", async () => {
  const { attempts, fail, news, said } = held(2);
  said.listening = true;
  for (const n of [1, 2, 3, 4]) attempts.accept(assignment(n));
  await settle();
  attempts.drain();
  attempts.drain();
  fail(1);
  await settle();
  expect(news).toEqual(["retracted 1.3 1.4", "failed 1.1"]);
  expect([attempts.draining, attempts.accept(assignment(5))]).toEqual([true, "draining"]);
});

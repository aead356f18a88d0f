import { expect, test } from "vitest";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { defaultConfig } from "../../shared/runtime/config.js";
import { createLogger } from "../../shared/runtime/logger.js";
import { DeviceLedger } from "../leases/device-ledger.js";
import type { Assignment } from "./assignment.js";
import { type AttemptOutcome, Attempts, type RunAttempt } from "./attempts.js";

const assignment = (n: bigint): Assignment => ({
  fence: { epoch: 1n, n },
  shard: { campaign: "c", job: "j0000", index: Number(n), first: 0, count: 1 },
  ...{ gate: 1n, planSha256: "0".repeat(64), lane: "cpu", deadlineMs: 1000, attempt: 0 },
});
const resultOf = ({ fence, shard, gate }: Assignment): AttemptOutcome => ({
  kind: "result",
  result: { fence, shard, gate, uri: "", sha256: "", sizeBytes: 0, counts: {}, inline: undefined },
});
/** Lets everything that can run without a timer run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test("the next attempt starts when samples are done; its credit comes when the records are stored", async () => {
  const ledger = new DeviceLedger([{ uuid: "cpu", lane: "cpu", slots: 1 }]);
  const running: { hooks: Parameters<RunAttempt>[2]; end: () => void }[] = [];
  const run: RunAttempt = (a, _, hooks) =>
    new Promise((resolve) => running.push({ hooks, end: () => resolve(resultOf(a)) }));
  const news: string[] = [];
  const { logger } = createLogger({
    ...defaultConfig(),
    logging: { ...defaultConfig().logging, level: "fatal" },
  });
  const attempts = new Attempts(ledger, run, async () => {}, logger, {
    started: () => {},
    finished: ({ fence }: { fence: Fence }) => news.push(`finished ${fenceText(fence)}`),
    failed: () => true,
    retracted: () => {},
    freed: () => news.push("freed"),
  });
  expect([attempts.accept(assignment(1n)), attempts.accept(assignment(2n))]).toEqual([
    "accepted",
    "accepted",
  ]);
  await settle();
  expect(running).toHaveLength(1);

  running[0]?.hooks.released();
  await settle();
  expect(running).toHaveLength(2);
  expect(news).toEqual([]);
  expect(ledger.used("cpu")).toBe(1);

  // The first one's end must not take the slot from the second.
  running[0]?.end();
  await settle();
  expect(news).toEqual(["finished 1.1", "freed"]);
  expect(ledger.used("cpu")).toBe(1);

  running[1]?.end();
  await settle();
  expect(ledger.used("cpu")).toBe(0);
  expect(attempts.list().map(({ state }) => state)).toEqual(["uploaded", "uploaded"]);
});

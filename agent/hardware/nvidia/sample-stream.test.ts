import { readdirSync, readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { lineLogger } from "../../../shared/runtime/logger.js";
import { type StandIn, standInGpus } from "../../../test/support/stand-in-gpus/stand-in.js";
import { until } from "../../../test/support/until.js";
import { SampleStream } from "./sample-stream.js";
import type { GpuSample } from "./samples.js";

let standIn: StandIn;
let stream: SampleStream;
afterEach(async () => {
  await stream?.stop();
  await standIn?.remove();
});

const FIELDS = ["uuid", "power.draw", "clocks.current.sm"];
/** Waits of at least a second take a hundredth of their time, if told so. */
async function streaming(hurried = false) {
  standIn = await standInGpus([{ uuid: "GPU-a", powerW: 100 }, { uuid: "GPU-b" }]);
  const told: GpuSample[] = [];
  const logged: { reason?: string }[] = [];
  const sooner = (ms: number) => (hurried && ms >= 1_000 ? ms / 100 : ms);
  stream = new SampleStream({
    ...{ path: standIn.path, env: process.env, intervalMs: 30, told: (sample) => void told.push(sample) },
    fields: async () => FIELDS,
    clock: {
      ...systemClock,
      sleep: (ms, signal) => systemClock.sleep(sooner(ms), signal),
      after: (ms, run) => systemClock.after(sooner(ms), run),
    },
    log: lineLogger((line) => logged.push(JSON.parse(line) as { reason?: string })),
  });
  stream.start();
  return { told, logged };
}
const runs = (): number =>
  readdirSync("/proc").filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(standIn.path)
      );
    } catch {
      return false;
    }
  }).length;

test("one program tells of each GPU again and again; what changes is told, and nothing after the stop", async () => {
  const { told, logged } = await streaming();
  await until("both are told twice", () => told.length >= 4);
  expect(stream.fresh).toBe(true);
  expect(told.slice(0, 4).map(({ uuid, powerW }) => [uuid, powerW])).toEqual([
    ["GPU-a", 100],
    ["GPU-b", 70],
    ["GPU-a", 100],
    ["GPU-b", 70],
  ]);
  expect(runs()).toBe(1);
  await standIn.gpus([{ uuid: "GPU-a", powerW: 300 }]);
  await until("it is told", () => told.at(-1)?.powerW === 300);
  await stream.stop();
  const before = told.length;
  expect([stream.fresh, runs()]).toEqual([false, 0]);
  await systemClock.sleep(100);
  expect([told.length, logged]).toEqual([before, []]);
});

test("one that ends is begun again, and that is said once for each time it had worked", async () => {
  const { told, logged } = await streaming(true);
  await until("it tells", () => told.length > 0);
  await standIn.trouble({ code: 15, say: "GPU is lost" });
  await until("it is said", () => logged.length === 1);
  expect(logged[0]?.reason).toBe("nvidia-smi ended with exit code 15");
  await systemClock.sleep(300);
  expect(logged).toHaveLength(1);
  const before = told.length;
  await standIn.trouble({});
  await until("it tells again", () => told.length > before);
  await standIn.trouble({ code: 15, say: "GPU is lost" });
  await until("it is said again", () => logged.length === 2);
});

test.each([
  ["a row that is too short", "GPU-a, 1\n", /has 2 values for 3 columns/],
  ["a row that is too long", "GPU-a, 1, 2, 3\n", /has 4 values for 3 columns/],
  ["a lost GPU", "[GPU is lost], [GPU is lost], [GPU is lost]\n", /names no GPU/],
  ["a line without an end", "x".repeat(100_000), /a line that is no row/],
])("%s is no reading, and a reason to begin again", async (_what, rows, reason) => {
  const { told, logged } = await streaming(true);
  await until("it tells", () => told.length > 0);
  await standIn.answer("rows", rows);
  await until("it is said", () => logged.length === 1);
  expect(logged[0]?.reason).toMatch(reason);
  expect(told.every(({ powerW }) => powerW === 100 || powerW === 70)).toBe(true);
});

test("one that says nothing is ended; at its stop nobody waits for it", async () => {
  standIn = await standInGpus([{ uuid: "GPU-a" }]);
  await standIn.trouble({ delay: 30 });
  const slow = standIn;
  const { logged } = await streaming(true);
  await standIn.trouble({ delay: 30 });
  await slow.remove();
  await until("it is said", () => /has printed no row|ended/.test(logged[0]?.reason ?? ""));
  await until("another hangs", () => runs() > 0);
  await stream.stop();
  // The stop waits a hundredth of its second here, which a killed process may need to be gone.
  await until("it is gone", () => runs() === 0);
});

test("a program that is not there is no reason to fall", async () => {
  const { logged } = await streaming(true);
  await stream.stop();
  const { path } = standIn;
  await standIn.remove();
  stream.start();
  await until("it is said", () => logged.some(({ reason }) => reason?.includes(`spawn ${path} ENOENT`)));
});

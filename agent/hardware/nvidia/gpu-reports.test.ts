import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { silentLogger } from "../../../shared/runtime/logger.js";
import { type StandIn, standInGpus } from "../../../test/support/stand-in-gpus/stand-in.js";
import { until } from "../../../test/support/until.js";
import { watchLoopLag } from "../../loop-lag.js";
import { GpuReports } from "./gpu-reports.js";

let standIn: StandIn;
let reports: GpuReports;
afterEach(async () => {
  reports?.close();
  await standIn?.remove();
});

async function reporting(
  path?: string,
  lookMs = 20,
  changed = (_told: number) => {},
  ours = (_pid: number) => false,
) {
  standIn = await standInGpus([{ uuid: "GPU-a" }, { uuid: "GPU-b" }]);
  reports = new GpuReports({
    ...{ path: path ?? standIn.path, expected: path === undefined, lookMs, sampleMs: 10 },
    ...{ leasedSampleMs: 20, ours, held: () => [], watchLag: watchLoopLag },
    ...{ env: process.env, clock: systemClock, log: silentLogger() },
  });
  await reports.begin();
  const changes: string[] = [];
  const ended = reports.goOn(() => {
    changes.push(reports.facts().gpuLook);
    changed(changes.length);
  });
  return { reports, changes, ended };
}

test("facts are told when they change and not with every look, nor with other words for the same fault", async () => {
  const { reports, changes, ended } = await reporting();
  await until("the first look", () => reports.facts().gpuLook === "seen");
  expect(reports.facts()).toMatchObject({
    ...{ gpuLook: "seen", gpuFault: undefined },
    gpus: [{ uuid: "GPU-a", computeCapability: "9.0" }, { uuid: "GPU-b" }],
  });
  const before = reports.facts().gpus;
  const since = () => reports.states()?.sampleAgeMs ?? 0;
  await standIn.trouble({ code: 9, say: "couldn't communicate with the NVIDIA driver, try 1" });
  await until("the fault is told", () => changes.includes("failed"));
  expect(reports.facts().gpuFault?.message).toMatch(/try 1$/);
  await standIn.trouble({ code: 9, say: "couldn't communicate with the NVIDIA driver, try 2" });
  const age = reports.states()?.faultAgeMs ?? 0;
  await until("it looked again", () => (reports.states()?.faultAgeMs ?? 0) > age + 200);
  expect(reports.facts()).toMatchObject({
    gpus: before,
    gpuFault: { message: expect.stringMatching(/try 1$/) },
  });
  expect(since()).toBeGreaterThan(200);
  await standIn.trouble({});
  await until("it is over", () => changes.at(-1) === "seen");
  expect(reports.states()?.faultAgeMs).toBeUndefined();
  expect(changes).toEqual(["seen", "failed", "seen"]);
  reports.close();
  await ended;
});

const LONG_MS = 600_000;

test("samples that fail while looks are good are told, and no reason to look all the time", async () => {
  const { reports, changes, ended } = await reporting(undefined, LONG_MS);
  await standIn.answer("query-gpu", "name\nH100\n");
  await until("it is told", () => changes.includes("failed"));
  expect(reports.facts()).toMatchObject({ gpuFault: { kind: "failed" }, gpus: [{ uuid: "GPU-a" }, {}] });
  await until("no look for a while", () => (reports.states()?.lookAgeMs ?? 0) > 500);
  await standIn.gpus([{ uuid: "GPU-a" }, { uuid: "GPU-b" }]);
  await until("it is over", () => changes.at(-1) === "seen");
  reports.close();
  await ended;
});

test("a GPU that a good sample lacks is looked for at once", async () => {
  const { reports, ended } = await reporting(undefined, LONG_MS);
  await until("the first look", () => reports.facts().gpus.length === 2);
  await standIn.gpus([{ uuid: "GPU-a" }]);
  await until("it is gone", () => reports.facts().gpus.length === 1);
  reports.close();
  await ended;
});

test("who cannot be told is not told again and again without a pause", async () => {
  const { reports, changes, ended } = await reporting(undefined, 20, (told) => {
    if (told < 1000) throw new Error("too large");
  });
  await standIn.trouble({ code: 9, say: "couldn't communicate with the NVIDIA driver" });
  await until("it goes on", () => changes.includes("failed"));
  expect(changes.length).toBeLessThan(5);
  reports.close();
  await ended;
});

test("where nobody looks, and where there is no driver, nothing is told in heartbeats", async () => {
  const off = await reporting("");
  expect(off.reports.facts()).toEqual({ gpus: [], gpuLook: "off", gpuFault: undefined });
  await off.ended;
  await standIn.remove();
  const none = await reporting("nvidia-smi-that-is-not-there");
  await until("the first look", () => none.reports.facts().gpuLook === "none");
  expect(none.reports.facts()).toEqual({ gpus: [], gpuLook: "none", gpuFault: undefined });
  expect(none.reports.states()).toBeUndefined();
  none.reports.close();
  await none.ended;
});

test("one that does not answer holds up nobody: it is pending, and over at once when the agent ends", async () => {
  standIn = await standInGpus([]);
  await standIn.trouble({ delay: 20 });
  const slow = standIn;
  const { reports, ended } = await reporting(slow.path);
  expect(reports.facts()).toMatchObject({ gpus: [], gpuLook: "pending", gpuFault: { kind: "pending" } });
  reports.close();
  await ended;
  expect(reports.facts().gpuLook).toBe("pending");
  await slow.remove();
});

test("while a GPU is leased samples come from a stream and its users from questions; then as before", async () => {
  const { reports, ended } = await reporting();
  await until("they are idle for a while", () => (reports.states()?.gpus ?? []).length === 2);
  const lease = reports.telemetry.lease({ gpus: ["GPU-b"] });
  const window = lease?.measure();
  await standIn.gpus([
    { uuid: "GPU-a" },
    { uuid: "GPU-b", powerW: 420, processes: [{ pid: 4, name: "stranger", usedMib: 9 }] },
  ]);
  await until("the power is told", () => reports.states()?.gpus[1]?.powerW === 420);
  await systemClock.sleep(200);
  lease?.end();
  expect(window?.end()).toMatchObject({
    ...{ gpus: ["GPU-b"], power_w: { peak: 420 }, flags: ["foreign_process"], energy_source: "integrated" },
  });
  await standIn.gpus([{ uuid: "GPU-a" }, { uuid: "GPU-b", powerW: 90 }]);
  await until("it is asked for again", () => reports.states()?.gpus[1]?.powerW === 90);
  reports.close();
  await ended;
});

test("a look that fails says nothing of who is there: ours that has ended since is no stranger", async () => {
  let runs = true;
  const { reports, ended, changes } = await reporting(
    undefined,
    LONG_MS,
    () => {},
    (pid) => pid === 4 && runs,
  );
  await standIn.gpus([{ uuid: "GPU-a", processes: [{ pid: 4, name: "ours", usedMib: 9 }] }]);
  const lease = reports.telemetry.lease({ gpus: ["GPU-a"] });
  expect(await reports.look()).toHaveLength(1);
  await standIn.trouble({ code: 9, say: "couldn't communicate with the NVIDIA driver" });
  await until("it fails", () => changes.includes("failed"));
  runs = false;
  const window = lease?.measure(false);
  expect(await reports.look()).toBeUndefined();
  expect(window?.end().flags).toEqual([]);
  lease?.end();
  reports.close();
  await ended;
});

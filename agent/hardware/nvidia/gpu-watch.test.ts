import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { type StandIn, standInGpus } from "../../../test/support/stand-in-gpus/stand-in.js";
import type { ProbeFault } from "./faults.js";
import { GpuWatch } from "./gpu-watch.js";
import { NvidiaSmi } from "./nvidia-smi.js";

let standIn: StandIn;
afterEach(() => standIn?.remove());

const limits = { deadlineMs: 500, killMs: 500, mostBytes: 1024 ** 2 };
async function watched(path?: string) {
  standIn = await standInGpus([{ uuid: "GPU-a" }, { uuid: "GPU-b" }]);
  const faults: (string | undefined)[] = [];
  const smi = new NvidiaSmi(path ?? standIn.path, systemClock, process.env, limits);
  const onFault = (now: ProbeFault | undefined) => void faults.push(now?.kind);
  const watch = new GpuWatch({ smi, clock: systemClock, expected: path === undefined, onFault });
  return { watch, faults };
}
const uuids = (watch: GpuWatch) => watch.now().gpus?.map(({ uuid }) => uuid);

test("what there is, and what it does", async () => {
  const { watch, faults } = await watched();
  expect(watch.now().gpus).toBeUndefined();
  await watch.look();
  await watch.sample();
  expect(uuids(watch)).toEqual(["GPU-a", "GPU-b"]);
  expect(watch.now().samples.map(({ uuid, powerW }) => [uuid, powerW])).toEqual([
    ["GPU-a", 70],
    ["GPU-b", 70],
  ]);
  expect(faults).toEqual([]);
});

test.each([
  ["hangs", { delay: 20 }, "hung"],
  ["loses its driver", { code: 9, say: "couldn't communicate with the NVIDIA driver" }, "driver_absent"],
  ["sees none any more", { code: 6, say: "No devices were found" }, "no_devices"],
])("one that %s takes no GPU away, and is told once", async (_how, trouble, kind) => {
  const { watch, faults } = await watched();
  await watch.look();
  const { seenMs } = watch.now();
  await standIn.trouble(trouble);
  await watch.look();
  await watch.look();
  expect(uuids(watch)).toEqual(["GPU-a", "GPU-b"]);
  expect(watch.now()).toMatchObject({ seenMs, fault: { kind } });
  await standIn.trouble({});
  await watch.look();
  expect(watch.now().fault).toBeUndefined();
  expect(watch.now().seenMs).toBeGreaterThan(seenMs ?? Number.POSITIVE_INFINITY);
  expect(faults).toEqual([kind, undefined]);
});

test("a sample that fails twice in a row is a fault though looks are good; once is chance", async () => {
  const { watch, faults } = await watched();
  await watch.look();
  await watch.sample();
  const { sampledMs } = watch.now();
  await standIn.answer("query-gpu", "name\nH100\n");
  await watch.sample();
  await watch.look();
  expect(faults).toEqual([]);
  await watch.sample();
  await watch.look();
  await watch.sample();
  expect(watch.now()).toMatchObject({ sampledMs, fault: undefined, sampleFault: { kind: "failed" } });
  expect(watch.now().sampleFault?.message).toContain('"uuid" is not a valid field');
  await standIn.gpus([{ uuid: "GPU-a" }]);
  await watch.sample();
  expect(watch.now()).toMatchObject({ missed: 0, sampleFault: undefined });
  expect(faults).toEqual(["failed", undefined]);
});

test("a driver that knows other fields than before is asked for those", async () => {
  const { watch, faults } = await watched();
  await watch.look();
  await watch.sample();
  await standIn.answer("--help-query-gpu", '"uuid"\n');
  await standIn.answer("query-gpu", "uuid\nGPU-b\n");
  await watch.sample();
  await watch.sample();
  expect(watch.now().samples.map(({ uuid }) => uuid)).toEqual(["GPU-b"]);
  expect(faults).toEqual([]);
});

test("samples come one by one: a GPU of which nothing comes any more is not told as it was", async () => {
  standIn = await standInGpus([{ uuid: "GPU-a" }, { uuid: "GPU-b" }]);
  let nowMs = 0;
  const clock = { ...systemClock, nowMs: () => nowMs };
  const smi = new NvidiaSmi(standIn.path, systemClock, process.env, limits);
  const watch = new GpuWatch({ smi, clock, expected: true, onFault: () => {} });
  await watch.look();
  const [a] = await watch.sample();
  if (a === undefined) throw new Error("no sample");
  const told = () => watch.now().samples.map(({ uuid }) => uuid);
  nowMs = 10_000;
  watch.took(a);
  expect(told()).toEqual(["GPU-b", "GPU-a"]);
  nowMs = 11_000;
  watch.took(a);
  expect(told()).toEqual(["GPU-a"]);
});

test("garbage at the first look is not a machine without GPUs", async () => {
  const { watch, faults } = await watched();
  await standIn.answer("-q", "\u0000\u0001 Attached GPUs\nGPU");
  await watch.look();
  await watch.sample();
  expect(watch.now()).toMatchObject({ gpus: undefined, seenMs: undefined, samples: [] });
  expect(faults).toEqual(["garbled"]);
});

test("a machine without the program has no GPUs, unless the operator named it", async () => {
  const { watch, faults } = await watched("/nowhere/nvidia-smi");
  await watch.look();
  expect(watch.now()).toMatchObject({ gpus: [], fault: undefined });
  await standIn.remove();
  const named = new GpuWatch({
    smi: new NvidiaSmi("/nowhere/nvidia-smi", systemClock, process.env, limits),
    clock: systemClock,
    expected: true,
    onFault: (now) => void faults.push(now?.kind),
  });
  await named.look();
  expect(named.now().gpus).toBeUndefined();
  expect(faults).toEqual(["missing"]);
});

test("a program that goes away after it was there is a fault", async () => {
  const { watch } = await watched();
  await watch.look();
  await standIn.remove();
  await watch.look();
  expect(uuids(watch)).toEqual(["GPU-a", "GPU-b"]);
  expect(watch.now().fault?.kind).toBe("missing");
});

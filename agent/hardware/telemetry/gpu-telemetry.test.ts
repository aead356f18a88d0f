import { expect, test } from "vitest";
import { ManualClock } from "../../../test/conformance/manual-clock.js";
import type { StandInGpu } from "../../../test/support/stand-in-gpus/machine.js";
import { listText, queryText, sampleRows } from "../../../test/support/stand-in-gpus/machine.js";
import { type Gpu, readGpus } from "../nvidia/gpus.js";
import { readSamples } from "../nvidia/samples.js";
import { GpuTelemetry } from "./gpu-telemetry.js";

const A: StandInGpu = { uuid: "GPU-a", powerW: 70 };
const B: StandInGpu = { uuid: "GPU-b", powerW: 60 };
const SLICED: StandInGpu = {
  uuid: "GPU-m",
  mig: [
    { uuid: "MIG-1", profile: "3g.40gb", memoryMib: 40_192, instance: 1 },
    { uuid: "MIG-2", profile: "1g.10gb", memoryMib: 9_856, instance: 7 },
  ],
};

function node(...machine: StandInGpu[]) {
  const clock = new ManualClock();
  const wanted: boolean[] = [];
  const held: string[] = [];
  let gpus: Gpu[] = [];
  const telemetry = new GpuTelemetry({
    ...{ clock, gpus: () => gpus, ours: (pid) => pid === 1, wanted: (is) => void wanted.push(is) },
    held: () => held,
    watchLag: () => ({ p99Ms: () => 1, maxMs: () => 2, stop() {} }),
  });
  const look = (now: StandInGpu[]) => {
    gpus = readGpus(queryText(now), listText(now));
    telemetry.looked();
  };
  /** So many seconds, with a reading a second. */
  const go = async (seconds: number, now: StandInGpu[] = machine) => {
    const rows = sampleRows(now);
    const names = Object.keys(rows[0] ?? {});
    const csv = [names, ...rows.map((row) => names.map((name) => row[name] ?? ""))].join("\n");
    for (let i = 0; i < seconds; i += 1) {
      await clock.advance(1000);
      for (const sample of readSamples(csv)) telemetry.took(sample);
    }
  };
  look(machine);
  return { clock, telemetry, wanted, held, look, go };
}

test("readings are wanted while anything is leased", () => {
  const { telemetry, wanted } = node(A, B);
  const [a, b] = [telemetry.lease({ gpus: ["GPU-a"] }), telemetry.lease({ gpus: ["GPU-b"] })];
  expect(wanted).toEqual([true]);
  a?.end();
  a?.end();
  expect(wanted).toEqual([true]);
  b?.end();
  expect(wanted).toEqual([true, false]);
});

test("a place without GPUs, or with one that nobody knows, is not measured", () => {
  const { telemetry, wanted } = node(A);
  expect(telemetry.lease({ gpus: [] })).toBeUndefined();
  expect(telemetry.lease({ gpus: ["GPU-gone"] })).toBeUndefined();
  expect(telemetry.lease({ gpus: ["GPU-a", "GPU-gone"] })).toBeUndefined();
  expect(wanted).toEqual([]);
});

test("what it drew before the lease is its idle power, also for a lease right after", async () => {
  const { telemetry, go } = node(A, B);
  await go(10);
  for (let lease = 0; lease < 2; lease += 1) {
    const held = telemetry.lease({ gpus: ["GPU-a"] });
    await go(2, [{ ...A, powerW: 300, utilisation: 80 }, B]); // it loads
    const window = held?.measure();
    await go(10, [{ ...A, powerW: 500, utilisation: 99, smMhz: 1980 }, B]);
    expect(window?.end()).toMatchObject({
      ...{ gpus: ["GPU-a"], ms: 10_000, readings: 10, idle_w: 70, energy_source: "integrated" },
      ...{ sm_mhz: { median: 1980, min: 1980 }, lag_ms: { p99: 1, max: 2 }, flags: [] },
      // From 300 to 500 W in the first second.
      ...{ energy_j: 4900, above_idle_j: 4200 },
    });
    held?.end();
  }
});

test("a GPU with somebody on it does not idle, nor is one idle for longer than an hour", async () => {
  const { clock, telemetry, go, look, held } = node(A);
  const busy = [{ ...A, powerW: 400, processes: [{ pid: 9, name: "x", usedMib: 1 }] }];
  look(busy);
  await go(20, busy);
  const measure = async () => {
    const held = telemetry.lease({ gpus: ["GPU-a"] });
    const window = held?.measure();
    await go(5, busy);
    held?.end();
    return window?.end();
  };
  expect(await measure()).not.toHaveProperty("idle_w");
  look([A]);
  held.push("GPU-a"); // with a model loaded
  await go(5);
  expect(await measure()).not.toHaveProperty("idle_w");
  look([A]);
  held.pop();
  await go(15);
  look([A]);
  look(busy);
  expect(await measure()).toMatchObject({ idle_w: 70 });
  await clock.advance(3_600_000);
  expect(await measure()).not.toHaveProperty("idle_w");
});

test("what was drawn since a look that found nobody is no idling where the next one finds a stranger", async () => {
  const { telemetry, go, look } = node(A);
  await go(5);
  look([A]);
  const busy = [{ ...A, powerW: 400, processes: [{ pid: 9, name: "x", usedMib: 1 }] }];
  await go(20, busy);
  look(busy);
  look([A]);
  const window = telemetry.lease({ gpus: ["GPU-a"] })?.measure();
  await go(5);
  expect(window?.end()).toMatchObject({ idle_w: 70 });
});

test("right after work it does not idle yet", async () => {
  const { telemetry, go } = node(A);
  await go(60);
  const lease = telemetry.lease({ gpus: ["GPU-a"] });
  await go(120, [{ ...A, powerW: 500, utilisation: 99 }]);
  lease?.end();
  await go(9, [{ ...A, powerW: 150 }]); // it has clocks to lower
  const window = telemetry.lease({ gpus: ["GPU-a"] })?.measure();
  await go(5);
  expect(window?.end()).toMatchObject({ idle_w: 70 });
});

test("what nobody was seen on, and what is ours since, stays idle power", async () => {
  const { telemetry, go, look } = node(A);
  await go(5);
  const lease = telemetry.lease({ gpus: ["GPU-a"] });
  look([{ ...A, processes: [{ pid: 1, name: "ours", usedMib: 1 }] }]);
  const window = lease?.measure();
  await go(5);
  expect(window?.end()).toMatchObject({ idle_w: 70 });
});

test("two with parts of one GPU, and a slice, have no energy; who comes later spoils it as well", async () => {
  const { telemetry, go } = node(A, SLICED);
  await go(3);
  const one = telemetry.lease({ gpus: ["GPU-a"] })?.measure();
  const slice = telemetry.lease({ gpus: ["MIG-2"] })?.measure();
  await go(5);
  const part = telemetry.lease({ gpus: ["GPU-a"], memoryBytes: 1e9 });
  part?.end();
  await go(5);
  expect(one?.end()).toMatchObject({ no_energy: "shared", readings: 10 });
  expect(slice?.end()).toMatchObject({ gpus: ["GPU-m"], no_energy: "shared", sm_mhz: { median: 345 } });
});

test("a window that begins after somebody else has come is shared, too", async () => {
  const { telemetry, go } = node(A);
  const first = telemetry.lease({ gpus: ["GPU-a"] });
  telemetry.lease({ gpus: ["GPU-a"] });
  const window = first?.measure();
  await go(5);
  expect(window?.end().no_energy).toBe("shared");
});

test("strangers are flagged, whoever sees them; ours and those of another slice are none", async () => {
  const { telemetry, go, look } = node(A, SLICED);
  const flags = async (during: () => void, gpu = "GPU-a") => {
    const held = telemetry.lease({ gpus: [gpu] });
    const window = held?.measure();
    during();
    await go(1);
    held?.end();
    return window?.end().flags;
  };
  const on = (pid: number) => [{ ...A, processes: [{ pid, name: "x", usedMib: 1 }] }, SLICED];
  const inSlice = (pid: number, instance: number) => [
    A,
    { ...SLICED, processes: [{ pid, name: "x", usedMib: 1, instance }] },
  ];
  expect(
    await flags(() =>
      telemetry.users([
        { uuid: "GPU-a", pid: 1 },
        { uuid: "GPU-b", pid: 9 },
      ]),
    ),
  ).toEqual([]);
  expect(await flags(() => telemetry.users([{ uuid: "GPU-a", pid: 9 }]))).toEqual(["foreign_process"]);
  expect(await flags(() => look(on(9)))).toEqual(["foreign_process"]);
  // Who was there when the window began is in it, until somebody sees that he has gone.
  const held = telemetry.lease({ gpus: ["GPU-a"] });
  look(on(9));
  expect(held?.measure().end().flags).toEqual(["foreign_process"]);
  telemetry.users([]);
  expect(held?.measure().end().flags).toEqual([]);
  held?.end();
  expect(await flags(() => look(on(1)))).toEqual([]);
  // A list of processes does not tell the slice; a look does.
  expect(await flags(() => telemetry.users([{ uuid: "GPU-m", pid: 9 }]), "MIG-1")).toEqual([]);
  expect(await flags(() => look(inSlice(9, 7)), "MIG-1")).toEqual([]);
  expect(await flags(() => look(inSlice(9, 1)), "MIG-1")).toEqual(["foreign_process"]);
});

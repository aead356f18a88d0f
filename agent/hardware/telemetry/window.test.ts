import { expect, test } from "vitest";
import type { GpuSample } from "../nvidia/samples.js";
import { GpuReadings, type Reading } from "./readings.js";
import { type Measured, windowOf } from "./window.js";

const sample = (more: Partial<GpuSample> = {}): GpuSample => ({
  ...{
    uuid: "GPU-a",
    utilisation: 90,
    memoryUtilisation: 10,
    usedBytes: 1000,
    powerW: 100,
    powerLimitW: 700,
  },
  ...{ temperatureC: 40, memoryTemperatureC: undefined, clockMhz: { sm: 1980, memory: 2619 } },
  ...{ computeCapability: "9.0", performanceState: "P0", slowedBy: [], slowedUs: {}, eccErrors: 0 },
  ...more,
});
const at = (s: number, more: Partial<GpuSample> = {}): Reading => ({ atMs: s * 1000, sample: sample(more) });

/** Of a window from second 10 on. */
function read(readings: readonly Reading[], before?: Reading) {
  const gpu = new GpuReadings(10_000, before);
  for (const reading of readings) gpu.add(reading);
  return gpu;
}
const measured = (readings: GpuReadings, more: Partial<Measured> = {}): Measured => ({
  gpus: [{ uuid: "GPU-a", readings, idleW: 50 }],
  ...{ startMs: 10_000, endMs: 20_000, shared: false, foreign: false, lagMs: undefined },
  ...more,
});
const every = (
  from: number,
  to: number,
  step: number,
  more: (s: number) => Partial<GpuSample> = () => ({}),
) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) =>
    at(from + i * step, more(from + i * step)),
  );

test("constant power: energy, power and what is above idling", () => {
  const window = windowOf(measured(read(every(10.5, 19.5, 1))));
  expect(window).toEqual({
    ...{ gpus: ["GPU-a"], ms: 10_000, readings: 10, energy_j: 1000, energy_source: "integrated" },
    ...{ idle_w: 50, above_idle_j: 500, power_w: { mean: 100, peak: 100 } },
    ...{ sm_mhz: { median: 1980, min: 1980 }, memory_mhz: { median: 2619, min: 2619 } },
    ...{ temperature_c: 40, memory_bytes: 1000, utilization_percent: 90, flags: [] },
  });
});

test("a ramp is a straight line, also over the beginning of the window", () => {
  // 0 W at second 8 to 120 W at second 20: 20 W at 10, 120 at 20.
  const ramp = (s: number) => ({ powerW: (s - 8) * 10 });
  const gpu = read(every(11, 20, 1, ramp), at(8, { powerW: 0 }));
  expect(windowOf(measured(gpu)).energy_j).toBeCloseTo(700, 6);
  // Without a reading before it the first one is held.
  expect(windowOf(measured(read(every(11, 20, 1, ramp)))).energy_j).toBeCloseTo(30 + 675, 6);
});

test.each([
  ["two readings", every(11, 12, 1), 13_000],
  ["a gap between two", [...every(11, 14, 1), ...every(24.5, 30, 1)], 30_000],
  ["a gap at the beginning", every(21, 30, 1), 30_000],
  ["a gap at the end", every(11, 14, 1), 24_500],
  ["no reading", [], 20_000],
])("%s: no energy and no power, and why", (_what, readings, endMs) => {
  const window = windowOf(measured(read(readings), { endMs }));
  expect(window.no_energy).toBe("few_readings");
  expect(window).not.toHaveProperty("energy_j");
  expect(window).not.toHaveProperty("power_w");
});

test("a driver that tells no power, and one that tells it now and then", () => {
  const none = windowOf(measured(read(every(11, 20, 1, () => ({ powerW: undefined })))));
  expect(none).toMatchObject({ no_energy: "no_power", sm_mhz: { median: 1980 }, readings: 10 });
  const once = windowOf(
    measured(
      read(
        every(11, 20, 1, (s) => ({ powerW: s < 13 ? 100 : undefined })),
        undefined,
      ),
      { endMs: 20_500 },
    ),
  );
  expect(once.no_energy).toBe("few_readings");
  const some = windowOf(measured(read(every(11, 20, 1, (s) => ({ powerW: s % 2 ? 100 : undefined })))));
  expect(some.energy_j).toBeCloseTo(1000, 6);
});

test("readings of before the window, and older ones than the last, are not in it", () => {
  const gpu = read([at(9, { powerW: 900 }), ...every(11, 20, 1), at(15, { powerW: 900 })]);
  expect(windowOf(measured(gpu))).toMatchObject({ energy_j: 1000, readings: 10, power_w: { peak: 100 } });
});

test("of what others have a part of there is no energy, power or memory; clocks and heat there are", () => {
  const window = windowOf(measured(read(every(11, 20, 1)), { shared: true }));
  expect(window).toMatchObject({ no_energy: "shared", sm_mhz: { median: 1980 }, temperature_c: 40 });
  for (const absent of ["energy_j", "power_w", "memory_bytes", "idle_w", "above_idle_j"])
    expect(window).not.toHaveProperty(absent);
});

test("without a known idle power nothing is above it", () => {
  const gpus = [{ uuid: "GPU-a", readings: read(every(11, 20, 1)), idleW: undefined }];
  const window = windowOf(measured(read([]), { gpus }));
  expect(window.energy_j).toBe(1000);
  expect(window).not.toHaveProperty("above_idle_j");
});

test("a gang is the sum of its GPUs, and as fast as its slowest", () => {
  const slow = read(
    every(11, 20, 1, () => ({ powerW: 200, temperatureC: 70, clockMhz: { sm: 1200, memory: 1 } })),
  );
  const gpus = [
    { uuid: "GPU-a", readings: read(every(11, 20, 1)), idleW: 50 },
    { uuid: "GPU-b", readings: slow, idleW: 60 },
  ];
  expect(windowOf(measured(slow, { gpus }))).toMatchObject({
    ...{ gpus: ["GPU-a", "GPU-b"], energy_j: 3000, above_idle_j: 1900, idle_w: 110 },
    ...{ power_w: { mean: 300, peak: 300 }, sm_mhz: { min: 1200 }, temperature_c: 70, memory_bytes: 2000 },
    flags: ["clock_change"],
  });
  // Of one of them nothing is known: then nothing of all.
  const blind = [gpus[0] as (typeof gpus)[0], { uuid: "GPU-b", readings: read([]), idleW: 60 }];
  expect(windowOf(measured(slow, { gpus: blind }))).toMatchObject({ no_energy: "few_readings", readings: 0 });
});

test("clocks: idling is no change, five percent is", () => {
  const flags = (mhz: (s: number) => number, utilisation = 90) =>
    windowOf(
      measured(read(every(11, 20, 0.5, (s) => ({ utilisation, clockMhz: { sm: mhz(s), memory: 2619 } })))),
    ).flags;
  expect(flags((s) => (s > 15 ? 1980 : 1900))).toEqual([]);
  expect(flags((s) => (s > 15 ? 1980 : 1800))).toEqual(["clock_change"]);
  // One odd reading.
  expect(flags((s) => (s === 15 ? 1200 : 1980))).toEqual([]);
  const idle = read(
    every(11, 20, 1, (s) => (s > 15 ? {} : { utilisation: 0, clockMhz: { sm: 345, memory: 1 } })),
  );
  expect(windowOf(measured(idle))).toMatchObject({ sm_mhz: { median: 1980, min: 1980 }, flags: [] });
});

test("what slowed it down is counted by the driver, or was seen", () => {
  const hot = (s: number): Partial<GpuSample> => ({
    slowedUs: { hw_thermal: 5_000_000 + (s - 9) * 250_000, power_cap: 7 },
    slowedBy: s === 15 ? ["power_brake"] : [],
  });
  const gpu = read(every(11, 20, 1, hot), at(9, hot(9)));
  expect(windowOf(measured(gpu))).toMatchObject({
    slowed_ms: { hw_thermal: 2750, power_brake: 0 },
    flags: ["thermal_slowdown", "power_brake"],
  });
  // A power cap alone is how such a GPU works.
  const capped = read(every(11, 20, 1, () => ({ slowedBy: ["power_cap"] })));
  expect(windowOf(measured(capped))).toMatchObject({ slowed_ms: { power_cap: 0 }, flags: [] });
});

test("memory errors count from the reading before; strangers are flagged; lateness is told", () => {
  const gpu = read(
    every(11, 20, 1, () => ({ eccErrors: 3 })),
    at(9, { eccErrors: 2 }),
  );
  const window = windowOf(measured(gpu, { foreign: true, lagMs: { p99: 1.23456, max: 20 } }));
  expect(window).toMatchObject({ flags: ["foreign_process", "ecc_errors"], lag_ms: { p99: 1.235, max: 20 } });
  const old = read(every(11, 20, 1, () => ({ eccErrors: 3 })));
  expect(windowOf(measured(old)).flags).toEqual([]);
  // A reading of long ago says nothing of what came in the window.
  const more = (hot: number, ecc: number) => ({ eccErrors: ecc, slowedUs: { hw_thermal: hot } });
  const since = (s: number) =>
    windowOf(
      measured(
        read(
          every(11, 20, 1, () => more(9_000_000, 3)),
          at(s, more(0, 2)),
        ),
      ),
    ).flags;
  expect(since(-1)).toEqual([]);
  expect(since(0)).toEqual(["thermal_slowdown", "ecc_errors"]);
});

import { expect, test } from "vitest";
import {
  listText,
  queryText,
  type StandInGpu,
  sampleRows,
} from "../../../test/support/stand-in-gpus/machine.js";
import { fault } from "./faults.js";
import { readGpus } from "./gpus.js";
import { readSamples } from "./samples.js";
import { describe, statesOf } from "./told-gpus.js";

const machine: StandInGpu[] = [
  { uuid: "GPU-a", usedMib: 0, utilisation: 100, eccErrors: 2, recoveryAction: "Reset" },
  { uuid: "GPU-b", mig: [{ uuid: "MIG-1", profile: "1g.10gb", memoryMib: 9856, instance: 7 }] },
];
const read = (gpus: readonly StandInGpu[]) => {
  const rows = sampleRows(gpus);
  const names = Object.keys(rows[0] ?? {});
  const csv = [names, ...rows.map((row) => names.map((name) => row[name] ?? ""))]
    .map((line) => line.join(","))
    .join("\n");
  return { gpus: readGpus(queryText(gpus), listText(gpus)), samples: readSamples(csv) };
};
const good = { fault: undefined, missed: 0, sampleFault: undefined };
const view = { ...read(machine), ...good, seenMs: 1_000, sampledMs: 4_000 };

const fresh = { faultSinceMs: undefined, staleAfterMs: 20_000 };

test("what is described does not change while it works", () => {
  const idle = view.gpus.map((gpu) => describe(gpu, "9.0"));
  const busy = machine.map((gpu) => ({
    ...{ ...gpu, usedMib: 60_000, utilisation: 99, powerW: 650, eccErrors: 9 },
    processes: [{ pid: 1, name: "python", usedMib: 60_000 }],
  }));
  expect(read(busy).gpus.map((gpu) => describe(gpu, "9.0"))).toEqual(idle);
  expect(idle[1]).toMatchObject({ migEnabled: true, migSlices: [{ uuid: "MIG-1", gpuInstance: 7 }] });
});

test("ages are of the look and of the sample; what is not told is absent, what is 0 is 0", () => {
  const states = statesOf(view, fresh, 9_000);
  expect(states).toMatchObject({ sampleAgeMs: 5_000, lookAgeMs: 8_000, faultAgeMs: undefined });
  const [a, b] = states?.gpus ?? [];
  expect(a).toMatchObject({ memoryUsedBytes: 0, utilizationPercent: 100, smClockMhz: 345 });
  expect(a?.problems).toEqual([
    "the driver asks for: Reset",
    "2 uncorrectable memory errors since the driver was loaded",
  ]);
  expect(b).toMatchObject({ utilizationPercent: undefined, memoryTemperatureC: undefined });
});

test("nothing is told where there is none; a fault is, though nothing was ever seen", () => {
  const none = { ...view, gpus: [], samples: [] };
  expect(statesOf(none, fresh, 9_000)).toBeUndefined();
  const never = {
    ...{ ...good, gpus: undefined, samples: [], seenMs: undefined, sampledMs: undefined },
    fault: fault("hung", "x"),
  };
  expect(statesOf(never, { ...fresh, faultSinceMs: 8_000 }, 9_000)).toEqual({
    ...{ gpus: [], sampleAgeMs: undefined, lookAgeMs: undefined },
    ...{ faultAgeMs: 1_000, staleAfterMs: 20_000 },
  });
});

test("a heartbeat has at most 64", () => {
  const many = read(Array.from({ length: 70 }, (_, i) => ({ uuid: `GPU-${i}` })));
  expect(statesOf({ ...view, ...many }, fresh, 9_000)?.gpus).toHaveLength(64);
});

import { expect, test } from "vitest";
import { Gpu } from "../client.js";
import { faultText, GPU_COLUMNS, gpuLines, gpuName, gpuState } from "./gpu-text.js";
import { tableLines } from "./table.js";

const plain = (text: string) => text;
const description = { index: 1, uuid: "GPU-a", name: "NVIDIA H100", memoryBytes: 80 * 1024 ** 3 };
const fault = { kind: "hung", message: "no answer in 10 s", hint: "see dmesg" };
const seen = (more: object = {}, state: object = {}) =>
  Gpu.fromPartial({
    ...{ node: "n1", nodeState: "ready", description, sampleAgeMs: 4_000, lookAgeMs: 30_000 },
    staleAfterMs: 60_000,
    ...{ state: { uuid: "GPU-a", memoryUsedBytes: 0, utilizationPercent: 100, powerW: 70.4, ...state } },
    ...more,
  });

test.each<[string, Gpu]>([
  ["free", seen()],
  ["in use", seen({}, { processes: 2 })],
  ["free", seen({}, { slowedBy: ["power_cap"] })],
  ["slowed: hw_thermal", seen({}, { slowedBy: ["power_cap", "hw_thermal"], processes: 1 })],
  ["problem", seen({}, { problems: ["memory that cannot be repaired"], processes: 1 })],
  // The process began after the last look, or is of another container.
  ["in use", seen({}, { memoryUsedBytes: 70 * 1024 ** 3 })],
  ["not sampled", seen({ state: { uuid: "GPU-a" } })],
  ["problem", seen({ state: { uuid: "GPU-a", problems: ["the driver asks for: Reset"] } })],
  ["stale", seen({ sampleAgeMs: 61_000 })],
  ["free", seen({ sampleAgeMs: 61_000, staleAfterMs: 300_000 })],
  ["stale", seen({ sampleAgeMs: 4_000, staleAfterMs: 3_000 })],
  ["stale: hung", seen({ fault })],
  ["node lost", seen({ nodeState: "lost", fault })],
  ["no sample yet", seen({ state: undefined, sampleAgeMs: undefined })],
  ["not known: hung", seen({ description: undefined, state: undefined, fault })],
  ["test device", Gpu.fromPartial({ node: "n1", nodeState: "ready", device: { uuid: "T", kind: "test" } })],
])("%s", (words, gpu) => {
  expect(gpuState(gpu)).toBe(words);
});

test("the list: the age of the oldest in a row, - for what is not told", () => {
  const unknown = Gpu.fromPartial({ node: "n2", nodeState: "ready", fault });
  expect(tableLines(GPU_COLUMNS, [seen(), unknown], { paint: plain })).toEqual([
    "NODE  INDEX  NAME                 MEMORY   UTIL  TEMP  POWER  STATE             AGE",
    "n1        1  NVIDIA H100  0 B / 80.0 GiB  100 %     -   70 W  free             30 s",
    "n2        -  -                         -      -     -      -  not known: hung     -",
  ]);
  expect([gpuName(seen()), gpuName(unknown)]).toEqual(["n1/1", "n2/?"]);
});

test("one: the fault with its age and what to do, and its slices", () => {
  const slice = { uuid: "MIG-1", profile: "1g.10gb", memoryBytes: 1024 ** 3, gpuInstance: 7 };
  const mig = { ...description, migEnabled: true, migSlices: [slice] };
  const lines = gpuLines(
    seen({ description: mig, fault, faultAgeMs: 65_000 }, { utilizationPercent: undefined }),
    plain,
  );
  expect(lines).toContain("fault       hung (since 1 min 05 s): no answer in 10 s; see dmesg");
  expect(lines).toContain("util        not told under MIG");
  expect(lines).toContain("sampled     4.0 s ago");
  expect(lines.slice(-2)).toEqual(["SLICE  PROFILE    MEMORY  UUID", "7/0    1g.10gb  1.00 GiB  MIG-1"]);
  expect(faultText(fault, undefined)).toBe("hung: no answer in 10 s; see dmesg");
});

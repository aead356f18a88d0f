/**
 * What is measured beside samples on GPUs, from nvidia-smi to the record and everything that is made of it. The GPUs are a
 * stand-in's, and what runs on them is the simulated engine.
 */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../../shared/benchmark/json.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { readProc } from "../../shared/runtime/proc.js";
import { cliOf } from "../support/cli.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import type { StandInGpu } from "../support/stand-in-gpus/machine.js";
import { type StandIn, standInGpus } from "../support/stand-in-gpus/stand-in.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

const IDLE: StandInGpu[] = [
  { uuid: "GPU-a", powerW: 100 },
  { uuid: "GPU-m", mig: [{ uuid: "MIG-1", profile: "1g.10gb", memoryMib: 9_856, instance: 1 }] },
];
const BUSY: StandInGpu[] = [
  { uuid: "GPU-a", powerW: 400, utilisation: 97, smMhz: 1980, temperatureC: 66 },
  ...IDLE.slice(1),
];

let fleet: TestFleet;
let standIn: StandIn;
let sai: ReturnType<typeof cliOf>;
beforeAll(async () => {
  standIn = await standInGpus(IDLE);
  fleet = await startFleet();
  sai = cliOf(fleet);
  await fleet.agent("n1", (config) => {
    config.agent.nvidiaSmi = standIn.path;
    config.agent.gpuLookIntervalMs = 50;
    config.agent.gpuSampleIntervalMs = 50;
    config.agent.gpuLeasedSampleIntervalMs = 20;
    config.resourceManager.cleanupIntervalMs = 50;
  });
  const offers = async () =>
    (await fleet.api.node("n1")).inventory?.devices.some(({ kind }) => kind === "gpu");
  await until("it offers its GPU", offers);
});
afterAll(async () => {
  await fleet?.stop();
  await standIn?.remove();
});

/** Every process that was started as this nvidia-smi. */
const started = (): string[] =>
  readdirSync("/proc").filter(
    (pid) => /^\d+$/.test(pid) && readProc(`/proc/${pid}/cmdline`).split("\0").includes(standIn.path),
  );

/** A campaign of one attempt with four samples of 400 ms; `during` runs once it does. */
let runs = 0;
async function run(options: { [key: string]: Json }, during: () => Promise<void> = async () => {}) {
  runs += 1;
  // Another model each time: one that is still loaded would not be said to be ready.
  const engine = { latency_ms: 400, tokens: 5, device: "gpu", seed: runs, ...options };
  const logged = fleet.logs.length;
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 4, shardSize: 4, options: engine }) });
  // Its GPU is leased then, and its samples follow.
  await until("the model is ready", () => fleet.logs.slice(logged).some(({ msg }) => msg === "model ready"));
  await during();
  await fleet.api.ended(id);
  const records = (await fleet.api.records(id)) as ResultRecord[];
  return { id, records, windows: records.flatMap((record) => record.gpu_window ?? []) };
}

test("energy, clocks and heat of an attempt are in its last record, in tables, the report and exports", async () => {
  await systemClock.sleep(300); // it idles for a while
  const { id, records, windows } = await run({}, () => standIn.gpus(BUSY));
  await standIn.gpus(IDLE);
  expect(records.map(({ status }) => status)).toEqual(["ok", "ok", "ok", "ok"]);
  expect(records.map(({ node }) => [node.gpu_uuids, node.driver])).toEqual(
    records.map(() => [["GPU-a"], "590.48.01"]),
  );
  expect(records.findIndex((record) => record.gpu_window)).toBe(3);
  const [window] = windows;
  // 400 W, but for the beginning.
  expect(window).toMatchObject({
    ...{ gpus: ["GPU-a"], samples: 4, energy_source: "integrated", idle_w: 100 },
    ...{ power_w: { peak: 400 }, sm_mhz: { median: 1980 }, temperature_c: 66 },
  });
  const { ms = 0, energy_j: joules = 0, above_idle_j: above = 0, readings = 0 } = window ?? {};
  expect(ms).toBeGreaterThanOrEqual(1600);
  expect(readings).toBeGreaterThan(5);
  expect(joules).toBeLessThanOrEqual(0.4 * ms + 0.001);
  expect(joules).toBeGreaterThan(0.15 * ms);
  expect(above).toBeCloseTo(joules - 0.1 * ms, 2);
  // Samples are shorter than readings are apart: none has energy of its own.
  expect(records.some((record) => record.energy_j)).toBe(false);

  const [cell] = (await fleet.api.summary(id)).cells;
  expect(cell?.gpu).toMatchObject({ windows: 1, windowsWithEnergy: 1, samples: 4, gpus: 1 });
  expect(cell?.gpu?.energyPerSampleJ).toBeCloseTo(joules / 4, 6);
  const { out } = await sai("result", "table", id);
  expect(out).toMatch(/^ {2}GPU +ENERGY\/SAMPLE +ABOVE IDLE +TOKENS\/J +POWER \(PEAK\)/m);
  expect(out).toContain("estimated from readings of their power");
  expect(await fleet.api.export(id, "html")).toContain("it is <strong>estimated</strong>");
  const [header = "", row = ""] = (await fleet.api.export(id, "csv")).split("\r\n");
  expect(row.split(",")[header.split(",").indexOf("gpu_energy_source")]).toBe("integrated");
  expect(JSON.parse(await fleet.api.export(id, "json")).cells[0].gpu.energyPerSampleJ).toBeCloseTo(
    joules / 4,
    6,
  );
});

test("strangers and heat are flagged, and said as warnings", async () => {
  const processes = [{ pid: 4_000_001, name: "miner", usedMib: 1 }];
  const hot = { uuid: "GPU-a", powerW: 300, hotUs: 900_000, processes };
  const { id, windows } = await run({}, () => standIn.gpus([hot, ...IDLE.slice(1)]));
  expect(windows[0]?.flags).toEqual(["thermal_slowdown", "foreign_process"]);
  const { warnings } = await fleet.api.summary(id);
  expect(warnings.join("\n")).toContain("1 of 1 attempt with GPUs: processes of others were on the GPUs");
  await standIn.gpus(IDLE);
});

test.each([
  ["a part of a GPU", { gpu_memory: "5GiB" }, "GPU-a"],
  ["a slice", { mig: "1g.10gb" }, "GPU-m"],
])("%s has clocks and no energy, and says why", async (_what, options, gpu) => {
  const { id, windows } = await run(options);
  expect(windows).toHaveLength(1);
  expect(windows[0]).toMatchObject({ gpus: [gpu], no_energy: "shared" });
  expect(windows[0]).not.toHaveProperty("energy_j");
  const { out } = await sai("result", "table", id);
  expect(out).toContain("energy not known of 1 attempt that shared GPUs");
});

test("on the CPU nothing of it is there", async () => {
  const { id, windows } = await run({ device: "cpu" });
  expect(windows).toEqual([]);
  expect((await fleet.api.summary(id)).cells[0]?.gpu).toBeUndefined();
  expect((await sai("result", "table", id)).out).not.toContain("GPU");
});

test("an agent that stops leaves no program that prints", async () => {
  await fleet.stopAgent("n1");
  await until("none is left", () => started().length === 0);
  expect(fleet.logs.filter(({ msg }) => /left behind/.test(msg))).toEqual([]);
});

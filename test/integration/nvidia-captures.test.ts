/**
 * What real machines printed, where there are such files: `SAI_TEST_FIXTURES` names a folder with nvidia-smi/*.txt in
 * the format of nvidia_gpu_exporter's captures (a section for each command, idle and under load).
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readGpus } from "../../agent/hardware/nvidia/gpus.js";
import { readSamples, sampleFields } from "../../agent/hardware/nvidia/samples.js";

const folder = process.env["SAI_TEST_FIXTURES"];
const captures = folder
  ? readdirSync(join(folder, "nvidia-smi")).filter((name) => name.endsWith(".txt"))
  : [];
if (captures.length === 0)
  test.skip("real captures of nvidia-smi: SAI_TEST_FIXTURES names no folder with them", () => {});

/** The sections of a capture by `<state> <command>`. */
function sectionsOf(text: string): Map<string, string> {
  const parts = text.split(/#{80}\n# (.*?) :: .*\n(?:# \$ (.*)\n)?#{80}\n/);
  const sections = new Map<string, string>();
  for (let i = 1; i < parts.length; i += 3) {
    const command = (parts[i + 1] ?? "").trim().replace(/(--query-gpu)=.*/, "$1");
    sections.set(`${parts[i]} ${command}`, (parts[i + 2] ?? "").trim());
  }
  return sections;
}

describe.each(captures)("%s", (name) => {
  const sections = sectionsOf(readFileSync(join(folder ?? "", "nvidia-smi", name), "utf8"));
  const said = (section: string) =>
    sections.get(section) ?? expect.fail(`the capture has no section "${section}"`);
  const list = said("capabilities nvidia-smi -L");

  test.each([
    "idle",
    "load",
  ])("%s: inventory and samples agree with each other and with the list", (state) => {
    const gpus = readGpus(said(`${state} nvidia-smi -q`), list);
    const samples = readSamples(said(`${state} nvidia-smi --query-gpu`));
    expect(gpus.map(({ uuid }) => uuid)).toEqual(samples.map(({ uuid }) => uuid));
    expect(gpus.length).toBe(list.match(/^GPU /gm)?.length);
    expect(gpus.flatMap(({ mig }) => mig ?? []).length).toBe(list.match(/^ {2}MIG /gm)?.length ?? 0);
    for (const [i, gpu] of gpus.entries()) {
      const sample = samples[i];
      expect(list).toContain(gpu.name);
      expect(gpu.memoryBytes).toBeGreaterThan(40e9);
      expect(gpu.powerLimitW).toBe(sample?.powerLimitW);
      expect(sample?.powerW).toBeGreaterThan(20);
      expect(sample?.temperatureC).toBeGreaterThan(20);
      expect(sample?.clockMhz.sm).toBeLessThanOrEqual(gpu.maxClockMhz.sm ?? 0);
      expect(sample?.utilisation === undefined).toBe(gpu.mig !== undefined);
      expect(gpu.health).toEqual({
        ...{ eccUncorrected: { volatile: 0, aggregate: 0 }, repairPending: false, unrepairable: false },
        recoveryAction: undefined,
      });
      expect(gpu.processes.length > 0).toBe(state === "load");
      // Every slice is a part of its GPU, and each process is on one of them.
      const slices = gpu.mig ?? [];
      expect(slices.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)).toBeLessThanOrEqual(
        gpu.memoryBytes,
      );
      for (const process of gpu.processes) {
        expect(process.usedBytes).toBeGreaterThan(100e6);
        if (gpu.mig) expect(slices.map(({ gpuInstance }) => gpuInstance)).toContain(process.gpuInstance);
      }
    }
  });

  test("every field that samples want is one the driver lists and answers", () => {
    const fields = sampleFields(said("capabilities nvidia-smi --help-query-gpu"));
    const [header = ""] = said("idle nvidia-smi --query-gpu").split("\n");
    const columns = header.split(", ").map((column) => column.replace(/ \[.*/, ""));
    expect(fields.filter((field) => !columns.includes(field))).toEqual([]);
    expect(fields.length).toBeGreaterThan(18);
  });
});

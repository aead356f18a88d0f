import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../shared/runtime/clock.js";
import { type StandIn, standInGpus } from "../../test/support/stand-in-gpus/stand-in.js";
import { gpuChecks } from "./gpus.js";

let standIn: StandIn | undefined;
afterEach(() => standIn?.remove());

test("a row for each GPU and slice, with what an operator should know", async () => {
  standIn = await standInGpus([
    { uuid: "GPU-a" },
    {
      uuid: "GPU-b",
      ...{ eccErrors: 2, recoveryAction: "Reset", usedMib: 1250 },
      processes: [{ pid: 7, name: "python", usedMib: 1024 }],
    },
    {
      uuid: "GPU-c",
      mig: [
        { uuid: "MIG-1", profile: "3g.40gb", memoryMib: 40_960, instance: 2 },
        { uuid: "MIG-2", profile: "1g.10gb", memoryMib: 9_984, instance: 9 },
      ],
      processes: [{ pid: 8, name: "ollama", usedMib: 700, instance: 9 }],
    },
    { uuid: "GPU-d", mig: [] },
  ]);
  const checks = await gpuChecks(systemClock, process.env, true, standIn.path);
  expect(checks.map(({ name, result }) => `${name}: ${result}`)).toEqual([
    "gpu 0: ok",
    "gpu 1: warn",
    "gpu 2: ok",
    "gpu 2 slice 2: ok",
    "gpu 2 slice 9: warn",
    "gpu 3: warn",
  ]);
  const [a, b, , , slice, d] = checks.map(({ detail }) => detail);
  expect(a).toBe(
    "NVIDIA H100 80GB HBM3, 79.6 GiB (4.00 MiB used), 70 W of 700 W, 41 °C, driver 590.48.01, GPU-a",
  );
  expect(b).toContain(
    "; the driver asks for: Reset; 2 uncorrectable memory errors since the driver was loaded; in use by python (process 7, 1.00 GiB)",
  );
  expect(slice).toContain("in use by ollama (process 8, 700 MiB)");
  expect(d).toContain("nothing can run on it");
});

test("a driver in trouble fails in its own words, with what to do", async () => {
  standIn = await standInGpus([{ uuid: "GPU-a" }]);
  await standIn.trouble({ code: 18, say: "Failed to initialize NVML: Driver/library version mismatch" });
  expect(await gpuChecks(systemClock, process.env, false, standIn.path)).toEqual([
    {
      ...{ name: "gpus", result: "fail" },
      detail: expect.stringMatching(
        /^Failed to initialize NVML: Driver\/library version mismatch; reboot, or unload/,
      ),
    },
  ]);
});

test("no nvidia-smi is a machine without GPUs, unless there should be some", async () => {
  const nowhere = "/nowhere/nvidia-smi";
  expect(await gpuChecks(systemClock, process.env, false, nowhere)).toMatchObject([
    { name: "gpus", result: "ok" },
  ]);
  expect(await gpuChecks(systemClock, process.env, true, nowhere)).toMatchObject([
    { name: "gpus", result: "fail", detail: expect.stringContaining("install the NVIDIA driver") },
  ]);
});

test("what they do cannot be seen, though they can: that is said", async () => {
  standIn = await standInGpus([{ uuid: "GPU-a" }]);
  await standIn.answer("query-gpu", "name\nH100\n");
  expect(await gpuChecks(systemClock, process.env, true, standIn.path)).toMatchObject([
    { name: "gpu 0", result: "ok" },
    { name: "gpu samples", result: "warn", detail: expect.stringContaining("is not a valid field") },
  ]);
});

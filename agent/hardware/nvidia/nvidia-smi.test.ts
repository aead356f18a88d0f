import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { type StandIn, standInGpus, type Trouble } from "../../../test/support/stand-in-gpus/stand-in.js";
import { NvidiaSmi } from "./nvidia-smi.js";

let standIn: StandIn;
afterEach(() => standIn?.remove());

const limits = { deadlineMs: 500, killMs: 500, mostBytes: 64 * 1024 };
const asked = async (trouble: Trouble = {}) => {
  standIn = await standInGpus([{ uuid: "GPU-a" }]);
  await standIn.trouble(trouble);
  return new NvidiaSmi(standIn.path, systemClock, process.env, limits);
};

test("an answer", async () => {
  const smi = await asked();
  expect(await smi.ask("-L")).toEqual({
    ok: true,
    text: "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-a)\n",
  });
  expect(await smi.ask("--query-gpu=uuid,power.draw", "--format=csv,nounits")).toEqual({
    ok: true,
    text: "uuid, power.draw\nGPU-a, 70.00\n",
  });
});

test.each<[string, Trouble, string, RegExp]>([
  [
    "the library was updated",
    { code: 18, say: "Failed to initialize NVML: Driver/library version mismatch" },
    "driver_mismatch",
    /mismatch/,
  ],
  [
    "no driver",
    { code: 9, say: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver." },
    "driver_absent",
    /communicate/,
  ],
  [
    "a GPU fell off the bus",
    { code: 15, say: "Unable to determine the device handle for GPU0000:04:00.0: GPU is lost." },
    "gpu_lost",
    /is lost/,
  ],
  ["the driver sees none", { code: 6, say: "No devices were found" }, "no_devices", /No devices/],
  ["it dies without a word", { code: 139, say: "" }, "failed", /exit code 139 and no word/],
  ["it takes too long", { delay: 20 }, "hung", /no answer in 0.5 s and was killed/],
])("%s", async (_what, trouble, kind, message) => {
  const smi = await asked(trouble);
  const answer = await smi.ask("-q");
  expect(answer).toMatchObject({ ok: false, fault: { kind } });
  if (!answer.ok) expect(answer.fault.message).toMatch(message);
});

test("a program that is not there, or is none", async () => {
  const gone = new NvidiaSmi("/nowhere/nvidia-smi", systemClock, process.env, limits);
  expect(await gone.ask("-L")).toMatchObject({ ok: false, fault: { kind: "missing" } });
  const folder = new NvidiaSmi("/tmp", systemClock, process.env, limits);
  expect(await folder.ask("-L")).toMatchObject({ ok: false, fault: { kind: "failed" } });
});

test("a child of it that holds the pipes does not hold the answer", async () => {
  const smi = await asked({ hold: 30 });
  expect(await smi.ask("-L")).toMatchObject({ ok: true });
});

test("more output than is believable", async () => {
  const smi = await asked();
  await standIn.answer("-q", "x".repeat(1_000_000));
  expect(await smi.ask("-q")).toMatchObject({ ok: false, fault: { kind: "garbled" } });
});

import { expect, test } from "vitest";
import { listText, queryText, type StandInGpu } from "../../../test/support/stand-in-gpus/machine.js";
import { GarbledAnswer, readGpus } from "./gpus.js";

const A: StandInGpu = {
  uuid: "GPU-a",
  usedMib: 1240,
  processes: [{ pid: 7, name: "python, -m x : y", usedMib: 1200 }],
};
const B: StandInGpu = {
  uuid: "GPU-b",
  name: "NVIDIA A100 80GB PCIe",
  eccErrors: 3,
  recoveryAction: "Reset",
  mig: [
    { uuid: "MIG-1", profile: "3g.40gb", memoryMib: 40_448, instance: 2 },
    { uuid: "MIG-2", profile: "1g.10gb", memoryMib: 9_984, usedMib: 700, instance: 9 },
  ],
  processes: [{ pid: 8, name: "ollama", usedMib: 690, instance: 9 }],
};
const read = (gpus: StandInGpu[]) => readGpus(queryText(gpus), listText(gpus));

test("GPUs, slices and who is on them", () => {
  const [a, b] = read([A, B]);
  expect(a).toMatchObject({
    index: 0,
    uuid: "GPU-a",
    name: "NVIDIA H100 80GB HBM3",
    driver: "590.48.01",
    memoryBytes: 81_559 * 1024 ** 2,
    usedBytes: 1240 * 1024 ** 2,
    powerLimitW: 700,
    maxClockMhz: { sm: 1980, memory: 2619 },
    mig: undefined,
    processes: [{ pid: 7, name: "python, -m x : y", usedBytes: 1200 * 1024 ** 2, gpuInstance: undefined }],
    health: { eccUncorrected: { volatile: 0, aggregate: 0 }, repairPending: false, unrepairable: false },
  });
  expect(b?.mig).toEqual([
    {
      uuid: "MIG-1",
      profile: "3g.40gb",
      gpuInstance: 2,
      computeInstance: 0,
      memoryBytes: 40_448 * 1024 ** 2,
      usedBytes: 9 * 1024 ** 2,
      multiprocessors: 16,
    },
    {
      uuid: "MIG-2",
      profile: "1g.10gb",
      gpuInstance: 9,
      computeInstance: 0,
      memoryBytes: 9_984 * 1024 ** 2,
      usedBytes: 700 * 1024 ** 2,
      multiprocessors: 16,
    },
  ]);
  expect(b?.processes).toMatchObject([{ pid: 8, gpuInstance: 9 }]);
  expect(b?.health).toMatchObject({ eccUncorrected: { volatile: 3, aggregate: 3 }, recoveryAction: "Reset" });
});

test("MIG mode without slices offers none", () => {
  expect(read([{ uuid: "GPU-a", mig: [] }])[0]?.mig).toEqual([]);
});

test("cut off at any byte, the answer is refused or whole, never fewer GPUs", () => {
  const query = queryText([A, B]);
  const whole = read([A, B]).map(({ uuid }) => uuid);
  for (let length = 0; length < query.length; length += 7) {
    try {
      expect(readGpus(query.slice(0, length), listText([A, B])).map(({ uuid }) => uuid)).toEqual(whole);
    } catch (error) {
      expect(error).toBeInstanceOf(GarbledAnswer);
    }
  }
});

test.each<[string, string, string, RegExp]>([
  [
    "no GPU described",
    queryText([A]).replace(/^GPU 0.*$/m, "GPU"),
    listText([A]),
    /1 attached GPUs, but 0 are described/,
  ],
  [
    "another UUID in the list",
    queryText([A]),
    listText([B]),
    /GPU-a is in nvidia-smi -q, but not in nvidia-smi -L/,
  ],
  [
    "a slice the list lacks",
    queryText([B]),
    listText([{ ...B, mig: [] }]),
    /2 MIG devices .* 0 in nvidia-smi -L/,
  ],
  [
    "memory that is no number",
    queryText([A]).replace("81559 MiB", "[GPU is lost]"),
    listText([A]),
    /'FB Memory Usage, Total'/,
  ],
  [
    "memory of less than none",
    queryText([A]).replace("81559 MiB", "-1 MiB"),
    listText([A]),
    /'FB Memory Usage, Total'/,
  ],
  [
    "half of an instance",
    queryText([B]).replace(/(GPU Instance ID +: )2$/m, "$12.5"),
    listText([B]),
    /'GPU Instance ID'/,
  ],
  ["another program's text", "hello\nworld : 3\n", "", /no line 'Attached GPUs'/],
])("%s is garbled", (_what, query, list, message) => {
  expect(() => readGpus(query, list)).toThrow(message);
});

import os from "node:os";
import { expect, test } from "vitest";
import { systemClock } from "../../shared/runtime/clock.js";
import { lineLogger, silentLogger } from "../../shared/runtime/logger.js";
import { type HardwareProbes, type InventoryParts, inventoryHash, readInventory } from "./inventory.js";

const probes: HardwareProbes = {
  osInfo: async () => ({ distro: "Debian GNU/Linux", release: "12", arch: "x64" }),
  cpu: async () => ({ manufacturer: "AMD", brand: "EPYC 9354" }),
  mem: async () => ({ total: 64e9 }),
};

const parts = (more: Partial<InventoryParts> = {}): InventoryParts => ({
  clock: systemClock,
  logger: silentLogger(),
  cpuSlots: 3,
  remoteSlots: 0,
  testDevices: [],
  probes,
  ...more,
});

test("this machine, asked for real", async () => {
  const { probes: _faked, ...real } = parts();
  const inventory = await readInventory(real);
  expect(inventory.hostname).toBe(os.hostname());
  expect(inventory.cpuCores).toBe(os.cpus().length);
  expect(inventory.memoryBytes).toBeGreaterThan(64 * 1024 ** 2);
  expect(inventory.os).not.toBe("");
  expect(inventory.cpuModel).not.toBe("");
  expect(inventory.devices.map((d) => [d.uuid, d.kind, d.slots])).toEqual([["cpu", "cpu", 3]]);
});

test("what the probes say, with the CPU slots and the declared devices", async () => {
  const testDevices = [{ uuid: "T-1", name: "pretend GPU", slots: 1, memoryBytes: 8e9 }];
  expect(await readInventory(parts({ testDevices }))).toEqual({
    hostname: os.hostname(),
    os: "Debian GNU/Linux 12 x64",
    cpuModel: "AMD EPYC 9354",
    cpuCores: os.cpus().length,
    memoryBytes: 64e9,
    devices: [
      { uuid: "cpu", kind: "cpu", name: "AMD EPYC 9354", slots: 3, memoryBytes: 0, used: 0 },
      { uuid: "T-1", kind: "test", name: "pretend GPU", slots: 1, memoryBytes: 8e9, used: 0 },
    ],
    engines: [],
    ...{ gpus: [], gpuLook: "off", gpuFault: undefined },
  });
});

test("without CPU slots there is no CPU device", async () => {
  expect((await readInventory(parts({ cpuSlots: 0 }))).devices).toEqual([]);
});

test.each<[string, Partial<HardwareProbes>]>([
  ["fails", { mem: () => Promise.reject(new Error("no /proc")) }],
  [
    "throws",
    {
      mem: () => {
        throw new Error("no /proc");
      },
    },
  ],
  ["answers nothing", { mem: async () => ({ total: 0 }) }],
])("a probe that %s falls back on Node and is logged", async (_how, broken) => {
  const lines: string[] = [];
  const logger = lineLogger((line) => lines.push(line));
  const inventory = await readInventory(parts({ logger, probes: { ...probes, ...broken } }));
  expect(inventory.memoryBytes).toBe(os.totalmem());
  expect(inventory.cpuModel).toBe("AMD EPYC 9354");
  expect(lines.map((line) => JSON.parse(line).what)).toEqual(["memory"]);
});

test("a probe that hangs is left behind at its deadline, and no timer stays", async () => {
  const armed = new Map<() => void, number>();
  const clock = {
    ...systemClock,
    after(ms: number, run: () => void) {
      armed.set(run, ms);
      return () => void armed.delete(run);
    },
  };
  const hanging = { ...probes, cpu: () => new Promise<never>(() => {}) };
  const reading = readInventory(parts({ clock, probes: hanging }));
  while (armed.size !== 1) await systemClock.sleep(1);
  const [[passed, ms] = [() => {}, 0]] = armed;
  expect(ms).toBe(10_000);
  passed();
  const fallback = os.cpus()[0]?.model.trim() || "unknown";
  expect((await reading).cpuModel).toBe(fallback);
});

test("the hash names the hardware and its engines, not its use", async () => {
  const one = await readInventory(parts());
  const busy = structuredClone(one);
  for (const device of busy.devices) device.used = 2;
  expect(inventoryHash(one)).toMatch(/^[0-9a-f]{64}$/);
  expect(inventoryHash(busy)).toBe(inventoryHash(one));
  const engines = [{ kind: "ocr", version: "7", models: [], unavailable: "" }];
  expect(inventoryHash({ ...one, engines })).not.toBe(inventoryHash(one));
  expect(inventoryHash({ ...one, memoryBytes: one.memoryBytes + 1 })).not.toBe(inventoryHash(one));
  expect(inventoryHash(await readInventory(parts({ cpuSlots: 4 })))).not.toBe(inventoryHash(one));
});

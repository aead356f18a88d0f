import { beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../shared/runtime/logger.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { MemoryDisk } from "../../test/support/memory-disk.js";
import type { Gpu } from "../hardware/nvidia/gpus.js";
import { GpuLeases } from "./gpu-leases.js";
import type { GpuWish } from "./gpu-ledger.js";
import { LeaseFiles } from "./lease-files.js";

const MIB = 1024 ** 2;
const one: GpuWish = { kind: "whole", gpus: 1 };
const part: GpuWish = { kind: "part", memoryBytes: 10_000 * MIB };
const gpu = (uuid: string, pids: number[] = [], usedMib = 4): Gpu =>
  ({
    ...{ uuid, memoryBytes: 80_000 * MIB, usedBytes: usedMib * MIB, mig: undefined },
    processes: pids.map((pid) => ({ pid, name: "python", usedBytes: undefined, gpuInstance: undefined })),
  }) as unknown as Gpu;

const memory = (usedMib: number) => ({ memoryBytes: 20_000 * MIB, usedBytes: usedMib * MIB });

/** What a look sees; undefined: it fails. */
let seen: Gpu[] | undefined;
let clock: ManualClock;
let disk: MemoryDisk;
/** Of the whole machine: this agent's, and another's. */
let locked: Set<string>;
let elsewhere: Set<string>;
/** Processes of programs that this agent runs. */
let running: number[];
let leases: GpuLeases;
const open = () =>
  GpuLeases.open({
    ...{ limits: { memoryShare: 1, parts: 4 }, clock, log: silentLogger() },
    files: new LeaseFiles({ disk, dir: "/l", boot: "b", log: silentLogger() }),
    look: async () => seen,
    runs: (pid) => running.includes(pid),
    lock: async (uuid) => {
      if (elsewhere.has(uuid)) return { heldBy: "another agent has it" };
      locked.add(uuid);
      return { release: async () => void locked.delete(uuid) };
    },
  });
const whose = { attempt: "1.1", model: "ollama:x" };
const take = (name: string, wish: GpuWish) => leases.take(name, wish, whose);
const look = (...gpus: Gpu[]) => {
  seen = gpus;
  leases.seen(gpus);
};
const onDisk = () => [...disk.files.keys()].map((path) => path.slice("/l/".length)).sort();
const dirty = () => Object.fromEntries(leases.now().dirty);
beforeEach(async () => {
  clock = new ManualClock();
  disk = new MemoryDisk();
  locked = new Set();
  elsewhere = new Set();
  running = [];
  seen = [gpu("a"), gpu("b")];
  leases = await open();
  leases.seen(seen);
});

test("what is taken is on the disk before it is used, and until the GPU is seen to be free", async () => {
  expect(await take("1.1", one)).toMatchObject({ uuids: ["a"] });
  expect(onDisk()).toEqual(["1.1.json"]);
  expect(JSON.parse(disk.text("/l/1.1.json"))).toMatchObject({ uuids: ["a"], ...whose });
  expect([...locked]).toEqual(["a"]);
  look(gpu("a", [70], 9000), gpu("b"));
  expect(dirty()).toEqual({});
  const released = leases.release("1.1");
  await clock.advance(5000);
  expect(leases.now().holds).toMatchObject([{ name: "1.1", state: "freeing" }]);
  expect(await take("1.2", { kind: "whole", gpus: 2 })).toBeUndefined();
  seen = [gpu("a", [], 200), gpu("b")];
  await clock.advance(1000);
  await released;
  expect(onDisk()).toEqual([]);
  expect([...locked]).toEqual([]);
  expect(await take("1.2", { kind: "whole", gpus: 2 })).toMatchObject({ uuids: ["a", "b"] });
});

test.each([
  ["a process", gpu("a", [70]), "process 70 on it"],
  ["memory", gpu("a", [], 300), "296 MiB more in use than before"],
])("%s that is left after 30 s makes it dirty, until a look shows that it is gone", async (_, after, why) => {
  await take("1.1", one);
  seen = [after, gpu("b")];
  const released = leases.release("1.1");
  await clock.advance(29_000);
  expect(dirty()).toEqual({});
  await clock.advance(2000);
  await released;
  expect(dirty()).toEqual({ a: why });
  expect(leases.now().holds).toEqual([]);
  expect(await take("1.2", one)).toMatchObject({ uuids: ["b"] });
  expect(await take("1.3", one)).toBeUndefined();
  // A later start must know it, too.
  expect(onDisk()).toEqual(["1.1.json", "1.2.json"]);
  look(gpu("a"), gpu("b"));
  await clock.advance(1);
  expect(dirty()).toEqual({});
  expect(onDisk()).toEqual(["1.2.json"]);
  expect(await take("1.3", one)).toMatchObject({ uuids: ["a"] });
});

test("a GPU that cannot be seen is not known to be free", async () => {
  await take("1.1", one);
  seen = undefined;
  const released = leases.release("1.1");
  await clock.advance(31_000);
  await released;
  expect(dirty()).toEqual({ a: "it cannot be seen" });
  look(gpu("a"), gpu("b"));
  expect(dirty()).toEqual({});
});

test("strangers make a GPU dirty, wherever they come from", async () => {
  look(gpu("a", [99]), gpu("b"));
  expect(dirty()).toEqual({ a: "process 99 on it" });
  expect(await take("1.1", one)).toMatchObject({ uuids: ["b"] });
  expect(await take("1.2", one)).toBeUndefined();
  look(gpu("a", [98]), gpu("b"));
  expect(dirty()).toEqual({ a: "process 98 on it" });
  look(gpu("a"), gpu("b", [70]));
  expect(await take("1.2", one)).toMatchObject({ uuids: ["a"] });
});

test("a later start gives to nobody what an earlier one left, before it is seen to be free", async () => {
  await take("1.1", one);
  await leases.close();
  seen = [gpu("a", [70], 9000), gpu("b")];
  leases = await open();
  leases.seen(seen);
  await clock.advance(3000);
  expect(leases.now().holds).toMatchObject([{ name: "1.1", state: "freeing", ...whose }]);
  expect(await take("2.1", { kind: "whole", gpus: 2 })).toBeUndefined();
  seen = [gpu("a"), gpu("b")];
  await clock.advance(1000);
  expect(onDisk()).toEqual([]);
  expect(await take("2.1", { kind: "whole", gpus: 2 })).toBeDefined();
});

test("what came since the last look is seen before a GPU is given out", async () => {
  seen = [gpu("a", [99]), gpu("b")];
  expect(await take("1.1", one)).toMatchObject({ uuids: ["b"] });
  expect(dirty()).toEqual({ a: "process 99 on it" });
  look(gpu("a"), gpu("b"));
  seen = undefined;
  expect(await take("1.2", one)).toBeUndefined();
  expect([...locked]).toEqual(["b"]);
  expect(leases.now().holds).toHaveLength(1);
});

test("what another agent of this machine has is not given out", async () => {
  elsewhere.add("a");
  expect(await take("1.1", one)).toMatchObject({ uuids: ["b"] });
  expect(dirty()).toEqual({ a: "another agent has it" });
  expect(await take("1.2", one)).toBeUndefined();
  elsewhere.clear();
  await clock.advance(10_000);
  look(gpu("a"), gpu("b"));
  expect(await take("1.2", one)).toMatchObject({ uuids: ["a"] });
  await leases.close();
  expect([...locked].sort()).toEqual(["a", "b"]);
});

test("a lease that cannot be written is not granted", async () => {
  disk.full = true;
  await expect(take("1.1", one)).rejects.toMatchObject({ code: "resource_exhausted" });
  disk.full = false;
  expect(await take("1.2", { kind: "whole", gpus: 2 })).toBeDefined();
});

test("of parts the last one that ends is looked at, and by what was there before the first", async () => {
  await take("1.1", part);
  running = [70];
  look(gpu("a", [70], 9000), gpu("b"));
  expect(await take("1.2", part)).toMatchObject({ uuids: ["a"] });
  running = [71];
  look(gpu("a", [71], 9000), gpu("b"));
  await leases.release("1.1");
  expect(dirty()).toEqual({});
  const released = leases.release("1.2");
  await clock.advance(31_000);
  await released;
  expect(dirty()).toEqual({ a: "process 71 on it" });
});

test("a part whose process outlives it is not free, though others are on the GPU", async () => {
  await take("1.1", part);
  await take("1.2", part);
  running = [71];
  seen = [gpu("a", [70, 71], 9000), gpu("b")];
  const released = leases.release("1.1");
  await clock.advance(5_000);
  expect(leases.now().holds).toMatchObject([{ name: "1.1", state: "freeing" }, { name: "1.2" }]);
  await clock.advance(26_000);
  await released;
  expect(dirty()).toEqual({ a: "process 70 on it" });
  expect(await take("1.3", part)).toMatchObject({ uuids: ["b"] });
});

test("slices that have one GPU instance together are told apart by whose processes are there", async () => {
  const mig = (pids: number[]): Gpu =>
    ({
      ...gpu("m"),
      mig: [1, 2].map((n) => ({ uuid: `m${n}`, profile: "1c.2g", gpuInstance: 1, ...memory(9000) })),
      processes: pids.map((pid) => ({ pid, name: "p", usedBytes: undefined, gpuInstance: 1 })),
    }) as unknown as Gpu;
  look(mig([]));
  await take("1.1", { kind: "slice", profile: "1c.2g" });
  running = [70];
  look(mig([70]));
  expect(dirty()).toEqual({});
  expect(await take("1.2", { kind: "slice", profile: "1c.2g" })).toMatchObject({ uuids: ["m2"] });
  running = [];
  const released = leases.release("1.1");
  await clock.advance(31_000);
  await released;
  expect(dirty()).toEqual({ m1: "process 70 on it" });
});

test("a slice is looked at by itself", async () => {
  const mig = (pids: number[]): Gpu =>
    ({
      ...gpu("m"),
      mig: [1, 2].map((n) => ({ uuid: `m${n}`, profile: "1g", gpuInstance: n, ...memory(4) })),
      processes: pids.map((pid) => ({ pid, name: "p", usedBytes: undefined, gpuInstance: pid })),
    }) as unknown as Gpu;
  look(mig([]));
  expect(await take("1.1", { kind: "slice", profile: "1g" })).toMatchObject({ uuids: ["m1"] });
  look(mig([2]));
  expect(dirty()).toEqual({ m2: "process 2 on it" });
  await leases.release("1.1");
  expect(leases.now().holds).toEqual([]);
});

test("what is not known to be free at the end is left on the disk for the next start", async () => {
  await take("1.1", one);
  seen = [gpu("a", [70]), gpu("b")];
  const released = leases.release("1.1");
  await clock.advance(2000);
  await leases.close();
  await released;
  expect(onDisk()).toEqual(["1.1.json"]);
  expect(clock.pendingTimers).toBe(0);
});

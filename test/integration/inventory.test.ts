/** An inventory goes over in messages of at most 256 KiB and arrives whole, or says what is missing. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { inventoryParts } from "../../agent/session/inventory-parts.js";
import { InventoryParts } from "../../coordinator/sessions/inventory-parts.js";
import { AgentMessage, InventoryReport } from "../../shared/gen/sai/agent/v1/session.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";

const LIMIT = 256 * 1024;
const models = (n: number, length = 60) => Array.from({ length: n }, (_, i) => `${i}-`.padEnd(length, "m"));
const device = (i: number) => ({
  uuid: `GPU-${i}`,
  kind: "gpu",
  name: "H200",
  slots: 1,
  memoryBytes: 1e11,
  used: 0,
});
const gpu = (i: number) => ({ index: i, uuid: `GPU-${i}`, name: "H200", driver: "590".repeat(20) });
const inventory = (devices: number, ...names: number[]): Inventory =>
  Inventory.fromPartial({
    hostname: "host",
    cpuCores: 8,
    devices: Array.from({ length: devices }, (_, i) => device(i)),
    engines: names.map((n, i) => ({ kind: `engine-${i}`, version: "1", models: models(n) })),
  });
const wireBytes = (value: InventoryReport) =>
  AgentMessage.encode(AgentMessage.fromPartial({ body: { $case: "inventory", value } })).finish().byteLength;

/** What arrives of what is sent, over the wire's bytes. */
function arrived(parts: readonly InventoryReport[]) {
  const joining = new InventoryParts();
  const over = parts.map((part) => InventoryReport.decode(InventoryReport.encode(part).finish()));
  const answers = over.map((part) => joining.take(part));
  expect(answers.slice(0, -1)).toEqual(answers.slice(0, -1).map(() => undefined));
  return answers.at(-1);
}

test("whatever it has, it arrives as it was, in messages below the limit", () => {
  fc.assert(
    fc.property(fc.nat(3_000), fc.array(fc.nat(4_000), { maxLength: 3 }), (devices, names) => {
      const whole = inventory(devices, ...names);
      const parts = inventoryParts({ hash: "h", inventory: whole }, 2);
      for (const part of parts) expect(wireBytes(part)).toBeLessThan(LIMIT);
      expect(arrived(parts)).toEqual({ hash: "h", inventory: whole });
    }),
    { numRuns: 30 },
  );
});

test("GPUs come over whole, in parts too; whoever keeps nothing of them gets another name for what it takes", () => {
  const whole = { ...inventory(2, 9_000), gpuLook: "seen" };
  whole.gpus = Inventory.fromPartial({ gpus: Array.from({ length: 1_000 }, (_, i) => gpu(i)) }).gpus;
  const parts = inventoryParts({ hash: "h", inventory: whole }, 2);
  expect(parts.length).toBeGreaterThan(1);
  for (const part of parts) expect(wireBytes(part)).toBeLessThan(LIMIT);
  expect(arrived(parts)).toEqual({ hash: "h", inventory: whole });
  const few = { ...inventory(1), gpuLook: "none" };
  expect(inventoryParts({ hash: "h", inventory: few }, 2).map(({ hash }) => hash)).toEqual(["h"]);
  expect(inventoryParts({ hash: "h", inventory: few }, 1).map(({ hash }) => hash)).toEqual(["h-cut"]);
});

test("whoever takes no parts gets one message; the engine with too many names says so", () => {
  const whole = inventory(2, 3_000, 10_000);
  const parts = inventoryParts({ hash: "h", inventory: whole }, 1);
  expect(parts).toHaveLength(1);
  expect(wireBytes(parts[0] as InventoryReport)).toBeLessThan(LIMIT);
  const came = arrived(parts);
  expect(came?.hash).toBe("h-cut");
  expect(came?.inventory.devices).toHaveLength(2);
  expect(came?.inventory.engines.map((engine) => [engine.models.length, engine.unavailable])).toEqual([
    [3_000, ""],
    [0, expect.stringContaining("10000 models are more than a coordinator can be told")],
  ]);
});

test("nobody is told more than a mebibyte: the longest lists are left out first", () => {
  const parts = inventoryParts({ hash: "h", inventory: inventory(2, 50_000, 3_000) }, 2);
  const sum = parts.reduce((bytes, part) => bytes + wireBytes(part), 0);
  expect(sum).toBeLessThan(1024 * 1024);
  expect(arrived(parts)?.inventory.engines.map((engine) => engine.models.length)).toEqual([0, 3_000]);
});

test("parts out of turn, of another inventory, and beyond all bounds are refused; a new beginning counts", () => {
  const [first, second] = inventoryParts({ hash: "h", inventory: inventory(1, 8_000) }, 2) as [
    InventoryReport,
    InventoryReport,
  ];
  const refused = (...parts: InventoryReport[]) => {
    const joining = new InventoryParts();
    return () => parts.map((part) => joining.take(part));
  };
  expect(refused(second)).toThrow("part 1 of an inventory came out of turn");
  expect(refused(first, { ...second, hash: "other" })).toThrow("out of turn");
  expect(refused(first, second, second)).toThrow("out of turn");
  expect(refused(first, first, second)).not.toThrow();
  const endless = Array.from({ length: 9 }, (_, part) => ({ ...first, part, more: true }));
  expect(refused(...endless)).toThrow("takes more than 1048576 bytes");
});

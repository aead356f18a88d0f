import fc from "fast-check";
import { expect, test } from "vitest";
import { DeviceLedger } from "./device-ledger.js";

const devices = [
  { uuid: "cpu", lane: "cpu", slots: 3 },
  { uuid: "test-0", lane: "test", slots: 1 },
  { uuid: "test-1", lane: "test", slots: 1 },
];
const fence = (n: number) => ({ epoch: 1n, n: BigInt(n) });

test("no device is held by more attempts than it has slots, whatever the order of grants and releases", () => {
  const step = fc.record({ grant: fc.boolean(), lane: fc.constantFrom("cpu", "test"), n: fc.nat(12) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const ledger = new DeviceLedger(devices);
      const holding = new Map<number, string>();
      for (const { grant, lane, n } of steps) {
        if (!grant) {
          ledger.release(fence(n));
          holding.delete(n);
        } else if (holding.has(n)) {
          expect(() => ledger.grant(lane, fence(n))).toThrow("already");
        } else {
          const full = devices.filter((d) => d.lane === lane).every((d) => ledger.used(d.uuid) === d.slots);
          const got = ledger.grant(lane, fence(n));
          expect(got === undefined).toBe(full);
          if (got) holding.set(n, got.uuid);
        }
        for (const d of devices) {
          expect(ledger.used(d.uuid)).toBe([...holding.values()].filter((u) => u === d.uuid).length);
          expect(ledger.used(d.uuid)).toBeLessThanOrEqual(d.slots);
        }
      }
    }),
    { verbose: true },
  );
});

test("slots are counted by lane", () => {
  const ledger = new DeviceLedger(devices);
  expect([ledger.slots("cpu"), ledger.slots("test"), ledger.slots("remote")]).toEqual([3, 2, 0]);
  expect(ledger.lanes()).toEqual(["cpu", "test"]);
});

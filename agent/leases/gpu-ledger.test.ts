import fc from "fast-check";
import { expect, test } from "vitest";
import { type GpuHold, GpuLedger, type GpuPlace, type GpuWish } from "./gpu-ledger.js";

const GIB = 1024 ** 3;
const LIMITS = { memoryShare: 0.9, parts: 3 };
const gpu = (uuid: string): GpuPlace => ({ uuid, name: "H100", memoryBytes: 80 * GIB, slices: undefined });
const mig: GpuPlace = {
  ...{ uuid: "m", name: "H100", memoryBytes: 80 * GIB },
  slices: [
    { uuid: "m1", profile: "3g.40gb", memoryBytes: 40 * GIB },
    { uuid: "m2", profile: "1g.10gb", memoryBytes: 10 * GIB },
    { uuid: "m3", profile: "1g.10gb", memoryBytes: 10 * GIB },
  ],
};
const whole = (gpus: number): GpuWish => ({ kind: "whole", gpus });
const part = (gib: number): GpuWish => ({ kind: "part", memoryBytes: gib * GIB });
const slice = (profile: string): GpuWish => ({ kind: "slice", profile });
const ledgerOf = (...places: GpuPlace[]) => {
  const ledger = new GpuLedger(LIMITS);
  ledger.see(places);
  return ledger;
};
const uuids = (hold: GpuHold | undefined) => hold?.uuids;

test("a gang is granted whole or not at all", () => {
  const ledger = ledgerOf(gpu("a"), gpu("b"), gpu("c"), gpu("d"));
  expect(uuids(ledger.grant("1", whole(1)))).toEqual(["a"]);
  expect(ledger.grant("2", whole(4))).toBeUndefined();
  expect(uuids(ledger.grant("2", whole(3)))).toEqual(["b", "c", "d"]);
  expect(ledger.grant("3", whole(1))).toBeUndefined();
});

test("parts fill a GPU before they begin another, up to its memory and their number", () => {
  const ledger = ledgerOf(gpu("a"), gpu("b"));
  expect(uuids(ledger.grant("1", part(30)))).toEqual(["a"]);
  expect(uuids(ledger.grant("2", part(30)))).toEqual(["a"]);
  expect(uuids(ledger.grant("3", part(13)))).toEqual(["b"]);
  expect(uuids(ledger.grant("4", part(12)))).toEqual(["a"]);
  // There is a GPU with memory for it, and three parts already.
  ledger.freeing("1");
  ledger.freed("1");
  expect(uuids(ledger.grant("5", part(1)))).toEqual(["a"]);
  expect(uuids(ledger.grant("6", part(1)))).toEqual(["b"]);
  expect(ledger.grant("7", whole(1))).toBeUndefined();
});

test("slices are given by profile, and a GPU in MIG mode is not given whole", () => {
  const ledger = ledgerOf(mig);
  expect(uuids(ledger.grant("1", slice("1g.10gb")))).toEqual(["m2"]);
  expect(uuids(ledger.grant("2", slice("1g.10gb")))).toEqual(["m3"]);
  expect(ledger.grant("3", slice("1g.10gb"))).toBeUndefined();
  expect(ledger.grant("3", whole(1))).toBeUndefined();
  expect(ledger.grant("3", part(1))).toBeUndefined();
});

test("what was given back is nobody's until it is known to be free; what is dirty until it is clean", () => {
  const ledger = ledgerOf(gpu("a"), gpu("b"));
  ledger.grant("1", whole(2));
  ledger.freeing("1");
  expect(ledger.list()).toMatchObject([{ name: "1", state: "freeing" }]);
  expect(ledger.grant("2", whole(1))).toBeUndefined();
  ledger.dirtied("1", new Map([["b", "process 7 is left"]]));
  expect(ledger.dirtOf("b")).toBe("process 7 is left");
  expect(uuids(ledger.grant("2", whole(1)))).toEqual(["a"]);
  expect(ledger.grant("3", part(1))).toBeUndefined();
  ledger.clean("b");
  expect(uuids(ledger.grant("3", part(1)))).toEqual(["b"]);
});

test("a GPU that is not there any more, or is in MIG mode now, stays held and is given to nobody else", () => {
  const ledger = ledgerOf(gpu("a"), gpu("m"));
  ledger.grant("1", whole(2));
  ledger.see([mig]);
  expect(ledger.list()).toHaveLength(1);
  expect(ledger.grant("2", slice("3g.40gb"))).toBeUndefined();
  ledger.freed("1");
  expect(uuids(ledger.grant("2", slice("3g.40gb")))).toEqual(["m1"]);
});

test("what an attempt held before this process began is held", () => {
  const ledger = ledgerOf(gpu("a"), gpu("b"));
  ledger.hold("1", whole(2), ["b", "gone"]);
  expect(uuids(ledger.grant("2", whole(1)))).toEqual(["a"]);
  expect(ledger.grant("3", part(1))).toBeUndefined();
  expect(() => ledger.grant("1", whole(1))).toThrow("1 holds GPUs already");
});

test.each([
  [whole(3), "3 GPUs are asked for, this node has 2 that are not in MIG mode"],
  [part(73), `${73 * GIB} bytes of a GPU's memory are asked for, at most ${72 * GIB} of one are given`],
  [slice("7g.80gb"), "a MIG slice 7g.80gb is asked for, it has 3g.40gb, 1g.10gb"],
  [whole(2), undefined],
  [part(72), undefined],
  [slice("3g.40gb"), undefined],
])("%j that can never be granted is refused with the reason", (wish, why) => {
  const ledger = ledgerOf(gpu("a"), gpu("b"), mig);
  // Whoever is here now, and whatever is dirty.
  ledger.grant("1", whole(2));
  ledger.soil("a", "");
  expect(ledger.refusal(wish)).toBe(why);
});

test("nothing is ever held twice, and what could be granted is", () => {
  const PLACES = [gpu("a"), gpu("b"), gpu("c"), gpu("d"), mig];
  const wish = fc.oneof(
    fc.integer({ min: 1, max: 4 }).map(whole),
    fc.integer({ min: 1, max: 72 }).map(part),
    fc.constantFrom("1g.10gb", "3g.40gb").map(slice),
  );
  const names = fc.nat(9).map(String);
  const all = ["a", "b", "c", "d", "m", "m1", "m2", "m3"];
  const step = fc.oneof(
    fc.record({ kind: fc.constant("grant" as const), name: names, wish }),
    fc.record({ kind: fc.constant("freeing" as const), name: names }),
    fc.record({ kind: fc.constant("freed" as const), name: names }),
    fc.record({ kind: fc.constant("soil" as const), uuid: fc.constantFrom(...all) }),
    fc.record({ kind: fc.constant("clean" as const), uuid: fc.constantFrom(...all) }),
    fc.record({ kind: fc.constant("see" as const), places: fc.subarray(PLACES) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ledger = new GpuLedger(LIMITS);
      let places: readonly GpuPlace[] = PLACES;
      ledger.see(places);
      const model = new Map<string, GpuHold>();
      const on = (uuid: string) => [...model.values()].filter((hold) => hold.uuids.includes(uuid));
      const usable = (uuid: string) => ledger.dirtOf(uuid) === undefined;
      for (const one of steps) {
        if (one.kind === "see") {
          places = one.places;
          ledger.see(places);
        } else if (one.kind === "soil") ledger.soil(one.uuid, "r");
        else if (one.kind === "clean") ledger.clean(one.uuid);
        else if (one.kind === "freeing") ledger.freeing(one.name);
        else if (one.kind === "freed") {
          ledger.freed(one.name);
          model.delete(one.name);
        } else if (one.kind === "grant" && !model.has(one.name)) {
          const plain = places.filter(({ uuid, slices }) => slices === undefined && usable(uuid));
          const empty = plain.filter(({ uuid }) => on(uuid).length === 0);
          const got = ledger.grant(one.name, one.wish);
          const { wish } = one;
          if (wish.kind === "whole") expect(got !== undefined).toBe(empty.length >= wish.gpus);
          if (wish.kind === "part" && empty.length > 0) expect(got).toBeDefined();
          if (wish.kind === "slice") {
            const free = places.some(
              ({ uuid, slices = [] }) =>
                usable(uuid) &&
                slices.some((s) => s.profile === wish.profile && usable(s.uuid) && on(s.uuid).length === 0),
            );
            expect(got !== undefined).toBe(free);
          }
          if (got) {
            for (const uuid of got.uuids) {
              expect(usable(uuid)).toBe(true);
              const others = on(uuid);
              if (wish.kind !== "part") expect(others).toEqual([]);
              else expect(others.every((other) => other.wish.kind === "part")).toBe(true);
            }
            if (wish.kind === "whole") expect(new Set(got.uuids).size).toBe(wish.gpus);
            model.set(one.name, got);
          }
        }
        for (const uuid of ["a", "b", "c", "d"]) {
          const bytes = on(uuid).reduce(
            (sum, h) => sum + (h.wish.kind === "part" ? h.wish.memoryBytes : 0),
            0,
          );
          expect(bytes).toBeLessThanOrEqual(72 * GIB);
          expect(on(uuid).length).toBeLessThanOrEqual(3);
        }
        expect(
          ledger
            .list()
            .map(({ name }) => name)
            .sort(),
        ).toEqual([...model.keys()].sort());
      }
    }),
    { verbose: true },
  );
});

test("lanes are what could be had here: whole ones, gangs, parts and slices of what is whole", () => {
  const ledger = ledgerOf(gpu("a"), gpu("b"), gpu("c"), mig);
  const slots = () => Object.fromEntries(ledger.lanes().map(({ lane, slots: n }) => [lane, n]));
  expect(slots()).toEqual({
    ...{ gpu: 3, "gpu:2": 1, "gpu:3": 1, "mig:3g.40gb": 1, "mig:1g.10gb": 2 },
    ...{
      "gpu-part:1": 9,
      "gpu-part:2": 9,
      "gpu-part:4": 9,
      "gpu-part:6": 9,
      "gpu-part:8": 9,
      "gpu-part:12": 9,
    },
    ...{ "gpu-part:16": 9, "gpu-part:24": 9, "gpu-part:32": 6, "gpu-part:48": 3, "gpu-part:64": 3 },
  });
  expect(ledger.lanes().find(({ lane }) => lane === "gpu:2")).toMatchObject({
    memoryBytes: 160 * GIB,
    names: ["H100"],
  });
  ledger.soil("a", "x");
  ledger.soil("m2", "x");
  expect(slots()).toMatchObject({ gpu: 2, "gpu:2": 1, "mig:1g.10gb": 1 });
  expect(slots()).not.toHaveProperty("gpu:3");
});

test("under a limit of memory smaller GPUs are taken where the first ones are too much", () => {
  const ledger = new GpuLedger({ ...LIMITS, totalBytes: 50 * GIB });
  ledger.see([gpu("a"), { ...gpu("s"), name: "L40S", memoryBytes: 48 * GIB }]);
  expect(ledger.lanes().find(({ lane }) => lane === "gpu")?.slots).toBe(1);
  expect(uuids(ledger.grant("1", whole(1)))).toEqual(["s"]);
  expect(ledger.namesOf(["s"])).toEqual(["L40S"]);
  expect(ledger.namesOf(["m2", "gone"])).toEqual([]);
});

test("the share of a hold: of memory, and of a slice its compute where that is more", () => {
  const ledger = ledgerOf(gpu("a"), mig);
  const share = (wish: GpuWish, ...held: string[]) => ledger.shareOf({ wish, uuids: held });
  expect(share(whole(1), "a")).toBeUndefined();
  expect(share(part(20), "a")).toBe(0.25);
  expect(share(slice("3g.40gb"), "m1")).toBe(0.5);
  expect(share(slice("1g.10gb"), "m2")).toBeCloseTo(1 / 7, 12); // of memory it is an eighth
  expect(share(part(20), "gone")).toBe(1);
});

test("limits of the node hold over all its GPUs", () => {
  const ledger = new GpuLedger({ ...LIMITS, totalBytes: 100 * GIB, leases: 3 });
  ledger.see([gpu("a"), gpu("b"), mig]);
  expect(ledger.lanes().find(({ lane }) => lane === "gpu")?.slots).toBe(1);
  expect(ledger.lanes().find(({ lane }) => lane === "gpu:2")).toBeUndefined();
  expect(uuids(ledger.grant("1", whole(1)))).toEqual(["a"]);
  expect(ledger.grant("2", whole(1))).toBeUndefined();
  expect(ledger.grant("2", part(21))).toBeUndefined();
  expect(uuids(ledger.grant("2", part(5)))).toEqual(["b"]);
  expect(uuids(ledger.grant("3", slice("1g.10gb")))).toEqual(["m2"]);
  expect(ledger.grant("4", part(1))).toBeUndefined();
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { agent, job } from "./snapshot.test-support.js";
import { Standing } from "./standing.js";
import { pour, Targets } from "./targets.js";

const part = (demand: number, base = 0, weight = 1) => ({ base, demand, weight, slots: 0 });
const poured = (slots: number, parts: ReturnType<typeof part>[]) => {
  pour(slots, parts);
  return parts.map((p) => p.slots);
};

test("slots go to all alike, by weight, as far as each wants, with what it has elsewhere", () => {
  expect(poured(9, [part(10), part(10), part(10)])).toEqual([3, 3, 3]);
  expect(poured(9, [part(1), part(10), part(10)])).toEqual([1, 4, 4]);
  expect(poured(8, [part(10), part(10, 0, 3)])).toEqual([2, 6]);
  expect(poured(6, [part(10, 4), part(10)])).toEqual([1, 5]);
  expect(poured(3, [part(10, 4), part(10)])).toEqual([0, 3]);
  expect(poured(9, [part(1), part(2)])).toEqual([1, 2]);
  expect(poured(0, [part(1)])).toEqual([0]);
});

test("all is given out that is wanted, nobody has too much, and who wants more has no less than anybody", () => {
  const anyPart = fc
    .tuple(fc.nat(20), fc.nat(10), fc.integer({ min: 1, max: 4 }))
    .map(([demand, base, weight]) => part(demand, base, weight));
  holdsFor(
    "pour",
    fc.property(fc.nat(60), fc.array(anyPart, { maxLength: 6 }), (slots, parts) => {
      const has = poured(slots, parts);
      const wanted = parts.reduce((sum, { demand }) => sum + demand, 0);
      expect(has.reduce((sum, n) => sum + n, 0)).toBeCloseTo(Math.min(slots, wanted), 6);
      const level = (i: number) => ((parts[i]?.base ?? 0) + (has[i] ?? 0)) / (parts[i]?.weight ?? 1);
      parts.forEach(({ demand }, i) => {
        expect(has[i]).toBeGreaterThanOrEqual(0);
        expect(has[i]).toBeLessThanOrEqual(demand + 1e-9);
        if ((has[i] ?? 0) >= demand - 1e-9) return;
        parts.forEach((_, j) => {
          if ((has[j] ?? 0) > 1e-9) expect(level(i)).toBeGreaterThanOrEqual(level(j) - 1e-6);
        });
      });
    }),
    1000,
  );
});

test("models get slots by the work left as far as shares allow", () => {
  const hour = { ran: { shards: 100, ms: 3_000_000 } };
  const targets = (jobs: ReturnType<typeof job>[]) => {
    const lanes = [{ lane: "cpu", slots: 12 }];
    const standing = Standing.of({ agents: [agent("n1", { lanes })], jobs, options: { maxWaitMs: 120_000 } });
    const [pool] = standing.live;
    if (!pool) throw new Error("there is work");
    return new Targets(standing, pool);
  };
  // c-1 may work on both: it leaves b to c-2, so that a third of the slots does each third of the work.
  const open = targets([
    job("c-1", "j0000", { ...hour, pending: 2000 }),
    job("c-1", "j0001", { ...hour, pending: 2000, model: "b" }),
    job("c-2", "j0000", { ...hour, pending: 2000, model: "b" }),
  ]);
  expect(open.ofModel("ollama:a")).toBeCloseTo(4, 1);
  expect(open.ofModel("ollama:b")).toBeCloseTo(8, 1);
  // Each needs a model of its own: half of the slots is due to each, however much is left.
  const apart = targets([
    job("c-1", "j0000", { ...hour, pending: 9000 }),
    job("c-2", "j0000", { ...hour, pending: 2000, model: "b" }),
  ]);
  expect(apart.ofModel("ollama:a")).toBeCloseTo(6, 6);
  expect(apart.ofModel("ollama:b")).toBeCloseTo(6, 6);
});

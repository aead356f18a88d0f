import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { PendingShards } from "./pending.js";

type Step =
  | { kind: "add"; index: number }
  | { kind: "delete"; index: number }
  | { kind: "fail"; index: number; on: string[]; atMs: number }
  | { kind: "ripen"; nowMs: number };
const index = fc.integer({ min: 0, max: 6 });
const ms = fc.integer({ min: 0, max: 50 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), index }),
  fc.record({ kind: fc.constant("delete" as const), index }),
  fc.record({
    kind: fc.constant("fail" as const),
    index,
    on: fc.subarray(["n1", "n2"], { minLength: 1 }),
    atMs: ms,
  }),
  fc.record({ kind: fc.constant("ripen" as const), nowMs: ms }),
);

test("every shard is in one place, and ready when it is due", () => {
  holdsFor(
    "pending",
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const pending = PendingShards.first(3);
      type Where = { on: string[]; atMs: number } | undefined;
      const model = new Map<number, Where>([0, 1, 2].map((i) => [i, undefined]));
      for (const s of steps) {
        if (s.kind === "add") {
          pending.add(s.index);
          model.set(s.index, undefined);
        } else if (s.kind === "delete") expect(pending.delete(s.index)).toBe(model.delete(s.index));
        else if (s.kind === "fail") {
          pending.addFailed(s.index, s.on, s.atMs);
          model.set(s.index, { on: s.on, atMs: s.atMs });
        } else {
          const next = pending.ripen(s.nowMs);
          for (const where of model.values()) if (where && where.atMs <= s.nowMs) where.atMs = -1;
          const later = [...model.values()].flatMap((w) => (w && w.atMs >= 0 ? [w.atMs] : []));
          expect(next).toBeLessThanOrEqual(Math.min(Number.POSITIVE_INFINITY, ...later));
          expect(next).toBeGreaterThan(s.nowMs);
        }
      }
      const entries = [...model];
      const due = entries.filter(([, w]) => w !== undefined && w.atMs < 0);
      expect(pending.size).toBe(model.size);
      expect(pending.waiting).toBe(entries.filter(([, w]) => w !== undefined && w.atMs >= 0).length);
      expect(pending.untried.size).toBe(entries.filter(([, w]) => w === undefined).length);
      for (const [i, w] of due) {
        const group = pending.retries.find((g) => g.shards.has(i));
        expect(group?.failedOn).toEqual(w?.on);
      }
      expect(pending.retries.reduce((sum, g) => sum + g.shards.size, 0)).toBe(due.length);
      for (let i = 0; i < 8; i++) expect(pending.has(i)).toBe(model.has(i));
    }),
    500,
  );
});

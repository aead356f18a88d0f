import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { IndexSet } from "./ranges.js";

const listed = (set: IndexSet) =>
  set.ranges.flatMap((r) => Array.from({ length: r.to - r.from }, (_, i) => r.from + i));
const ascending = (xs: Iterable<number>) => [...xs].sort((a, b) => a - b);

test("ranges behave as a set and stay ascending, disjoint and as few as can be", () => {
  holdsFor(
    "ranges",
    fc.property(
      fc.integer({ min: 0, max: 12 }),
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 15 })), { maxLength: 30 }),
      (count, steps) => {
        const ranges = IndexSet.first(count);
        const set = new Set(Array.from({ length: count }, (_, i) => i));
        for (const [add, index] of steps) {
          expect(add ? ranges.add(index) : ranges.delete(index)).toBe(add !== set.has(index));
          if (add) set.add(index);
          else set.delete(index);
          expect(listed(ranges)).toEqual(ascending(set));
          expect(ranges.size).toBe(set.size);
          expect(ranges.has(index)).toBe(add);
          for (const [i, r] of ranges.ranges.entries()) {
            expect(r.to).toBeGreaterThan(r.from);
            expect(r.from).toBeGreaterThan(ranges.ranges[i - 1]?.to ?? -1);
          }
        }
      },
    ),
    500,
  );
});

test("made from ranges that overlap and touch in any order", () => {
  const range = fc
    .tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 4 }))
    .map(([from, n]) => ({ from, to: from + n }));
  holdsFor(
    "ranges of",
    fc.property(fc.array(range, { maxLength: 6 }), (ranges) => {
      const all = new Set(ranges.flatMap((r) => Array.from({ length: r.to - r.from }, (_, i) => r.from + i)));
      const set = IndexSet.of(ranges);
      expect(listed(set)).toEqual(ascending(all));
      expect(set.size).toBe(all.size);
    }),
    300,
  );
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { addIndex, firstIndexes, hasIndex, type IndexRange, removeIndex, sizeOfRanges } from "./ranges.js";

test("ranges behave as a set and stay ascending, disjoint and as few as can be", () => {
  holdsFor(
    "ranges",
    fc.property(
      fc.integer({ min: 0, max: 12 }),
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 15 })), { maxLength: 30 }),
      (count, steps) => {
        const ranges: IndexRange[] = firstIndexes(count);
        const set = new Set(Array.from({ length: count }, (_, i) => i));
        for (const [add, index] of steps) {
          if (add) addIndex(ranges, index);
          else removeIndex(ranges, index);
          if (add) set.add(index);
          else set.delete(index);
          const listed = ranges.flatMap((r) => Array.from({ length: r.to - r.from }, (_, i) => r.from + i));
          expect(listed).toEqual([...set].sort((a, b) => a - b));
          expect(sizeOfRanges(ranges)).toBe(set.size);
          expect(hasIndex(ranges, index)).toBe(add);
          for (const [i, r] of ranges.entries()) {
            expect(r.to).toBeGreaterThan(r.from);
            expect(r.from).toBeGreaterThan(ranges[i - 1]?.to ?? -1);
          }
        }
      },
    ),
    500,
  );
});

import { expect, test } from "vitest";
import { LEVELS, ladder } from "./ladder.js";

test("the same seed gives the same items, another seed others", () => {
  expect(ladder(7)).toEqual(ladder(7));
  expect(ladder(7)).not.toEqual(ladder(8));
});

test("sixty items, twelve a level in rising order, none twice", () => {
  const items = ladder(1);
  expect(items.map((item) => item.level)).toEqual(LEVELS.flatMap((level) => Array(12).fill(level)));
  expect(new Set(items.map((item) => item.input)).size).toBe(60);
  expect(new Set(items.map((item) => item.id)).size).toBe(60);
});

test.each([1, 2, 3, 4, 5])("every target is the answer to its input (seed %i)", (seed) => {
  for (const { level, input, target } of ladder(seed)) {
    if (level === "copy") expect(input).toBe(`Copy: ${target}`);
    else if (level === "extract") expect(answerFrom(input)).toBe(target);
    else {
      const [a = "", plus, b = "", equals] = input.split(" ");
      expect([plus, equals]).toEqual(["+", "="]);
      expect([a.length, b.length].map(String)).toEqual([level.slice(4), level.slice(4)]);
      expect(String(Number(a) + Number(b))).toBe(target);
    }
  }
});

/** Reads the sentence as a person would. */
function answerFrom(input: string): string | undefined {
  const [, name, place, count, things] = /^(\w+) lives in (\w+) and has (\d) (\w+)\./.exec(input) ?? [];
  if (input.endsWith(`. Where does ${name} live?`)) return place;
  return input.endsWith(`. How many ${things} does ${name} have?`) ? count : undefined;
}

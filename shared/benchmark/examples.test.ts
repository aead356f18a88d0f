import { describe, expect, test } from "vitest";
import { type Candidate, chooseExamples } from "./examples.js";

const candidates = (...marks: number[][]): Candidate[] => marks.map((of, item) => ({ item, marks: of }));

describe("which samples are shown", () => {
  test("half of them where models differ most, the rest wrong and right ones", () => {
    const all = candidates([1, 0.5], [0, 0], [1, 1], [0, 1], [0.1, 0.2], [1, 1], [0, 0.3], [0.9, 0.5]);
    expect(chooseExamples(all, 4)).toEqual([
      { item: 3, why: "models differ" },
      { item: 0, why: "models differ" },
      { item: 1, why: "wrong" },
      { item: 2, why: "right" },
    ]);
  });

  test("what one kind does not need goes to the others; equal ones in the order of the dataset", () => {
    const rights = candidates([1], [1], [1], [0], [1]);
    expect(chooseExamples(rights, 4).map(({ item }) => item)).toEqual([3, 0, 1, 2]);
    expect(chooseExamples(rights, 100)).toHaveLength(5);
    expect(chooseExamples([], 8)).toEqual([]);
  });

  test("of equally clear ones each level has its first before any has its second", () => {
    const levels = ["easy", "easy", "easy", "hard", "hard"];
    const all = levels.map((level, item) => ({ item, level, marks: [1, 1] }));
    expect(chooseExamples(all, 4).map(({ item }) => item)).toEqual([0, 3, 1, 4]);
  });

  test("nothing to be right about is no reason to be left out", () => {
    expect(chooseExamples(candidates([]), 8)).toEqual([{ item: 0, why: "right" }]);
  });
});

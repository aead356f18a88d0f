import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readChoice } from "./parse-choice.js";

const ABCD = ["A", "B", "C", "D"];
const value = (text: string, choices?: string[]): string | undefined => {
  const choice = readChoice(text, choices);
  return choice.ok ? choice.value : undefined;
};

describe("a letter", () => {
  test.each([
    ["B", "b"],
    [" (b).\n", "b"],
    ["**B**", "b"],
    ["B) because it is blue", "b"],
    ["[C] Paris", "c"],
    ["D.", "d"],
    ["The answer is B.", "b"],
    ["the answer is (b), as it is blue", "b"],
    ["Answer: c", "c"],
    ["**Answer:** D", "d"],
    ["The correct option is: **A**", "a"],
    ["So \\boxed{B}", "b"],
    ["So $\\boxed{\\text{D}}$.", "d"],
    ["Not A, I first thought; but the answer is C", "c"],
    ["Answer: A. Wait, no. Answer: B.", "b"],
    ["It must be C, the blue one.", "c"],
    ["A dog is seen, so I would say (D).", "d"],
    ["A dog is seen, so it is C.", "c"],
    ["I'd choose B", "b"],
    ["I, as a model, choose B", "b"],
    ["The choice is a hard one: B", "b"],
    ["B) A dog", "b"],
    ["A) Paris B) London. The answer is B", "b"],
    ["A is right", "a"],
    ["Not A, it's C", "c"],
    ["It isn't (B); D fits", "d"],
  ])("%j is %s", (text, want) => {
    expect(value(text, ABCD)).toBe(want);
  });

  test.each([
    ["", /none of the choices A, B, C, D/],
    ["A dog is seen.", /none of the choices/],
    ["It is E", /none/],
    ["Either A or B", /several choices: a, b/],
    ["(A) and (C) are both right", /several choices: a, c/],
    ["not B", /none/],
    ["The answer is not B", /none/],
    ["neither A nor B", /none/],
    ["B, C", /several choices: b, c/],
    ["about a bad cad", /none/],
  ])("%j is none: nothing is guessed", (text, reason) => {
    expect(readChoice(text, ABCD)).toEqual({ ok: false, reason: expect.stringMatching(reason) });
  });

  test("without known choices: a letter that is stated, else the text itself", () => {
    expect(value("(B)")).toBe("b");
    expect(value("B) because")).toBe("b");
    expect(value("I think the answer is B")).toBe("b");
    expect(value("The answer is a dog")).toBe("the answer is a dog");
    expect(value("New York!")).toBe("new york");
    expect(value(" ?! ")).toBeUndefined();
  });
});

test("words: whole ones, in any case, the longest where several begin alike", () => {
  const food = ["dog", "hot dog", "Salade niçoise"];
  expect(value("It shows a Hot Dog.", ["hot dog", "pizza"])).toBe("hot dog");
  expect(value("The answer is hot dog", food)).toBe("hot dog");
  expect(value("The answer is dog", food)).toBe("dog");
  expect(value("une SALADE NIÇOISE", food)).toBe("salade niçoise");
  expect(value("hotdogs", food)).toBeUndefined();
  expect(value("Yes, it does; no doubt", ["yes", "maybe"])).toBe("yes");
  expect(value("Yes and no", ["yes", "no"])).toBeUndefined();
  expect(value("12 of them", ["1", "2", "12"])).toBe("12");
});

test("no text makes it throw, and what it gives is one of the choices", () => {
  const word = fc.constantFrom(
    "answer",
    "is",
    ":",
    "A",
    "b",
    "(C)",
    "\\boxed{",
    "}",
    " ",
    "\n",
    "I",
    "'",
    "*",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join(" ")),
      ),
      (text) => {
        const got = value(text, ABCD);
        if (got !== undefined) expect(["a", "b", "c", "d"]).toContain(got);
        readChoice(text);
      },
    ),
  );
});

test("a long answer is read in linear time: anything else would not end within a test's time", () => {
  for (const part of [" ", "answer ", "A ", "(", "answer is: ", "\\boxed{ ", "B"]) {
    const text = `B${part.repeat(100_000)}x`;
    readChoice(text, ABCD);
    readChoice(text);
  }
});

import { expect, test } from "vitest";
import { errorsOf, spread, steadyRate } from "./figures.js";
import { AT_ONCE, partsOf } from "./script.js";

const served = {
  key: "a 0",
  receivedNs: 1_000_000,
  firstNs: 51_000_000,
  lastNs: 241_000_000,
  doneNs: 250_000_000,
};
const seen = {
  key: "a 0",
  sentNs: 700_000,
  firstNs: 51_200_000,
  lastNs: 241_400_000,
  doneNs: 251_000_000,
  tokens: 20,
};

test("an error is the client's figure less the one by the server's write times", () => {
  const { ttft, tpot, e2e, there } = errorsOf([seen], [served]);
  expect(ttft[0]).toBeCloseTo(0.2, 9);
  expect(e2e[0]).toBeCloseTo(0.4, 9);
  // 190.2 and 190 ms over 19 gaps.
  expect(tpot[0]).toBeCloseTo(0.2 / 19, 9);
  expect(there[0]).toBeCloseTo(0.3, 9);
  expect(() => errorsOf([{ ...seen, key: "a 1" }], [served])).toThrow("has not seen request a 1");
});

test("errors to either side count alike", () => {
  expect(spread([-3, 1, 2])).toMatchObject({ n: 3, p50: 2, max: 3 });
});

test("a rate is of whole seconds only", () => {
  expect(steadyRate([3, 100, 110, 90, 7])).toBe(100);
  expect(steadyRate([3, 7])).toBeNaN();
});

test("a scripted answer is one of OpenAI's: events of JSON, its usage, its end", () => {
  const { role, token, end } = partsOf(AT_ONCE);
  const lines = `${role}${token}${end}`.split("\n").filter((line) => line !== "");
  expect(lines.at(-1)).toBe("data: [DONE]");
  const events = lines.slice(0, -1).map((line) => JSON.parse(line.slice("data: ".length)));
  expect(events.map(({ choices: [choice] }) => choice?.delta.content)).toEqual([
    "",
    " word",
    undefined,
    undefined,
  ]);
  expect(events.at(-1).usage.completion_tokens).toBe(AT_ONCE.tokens);
});

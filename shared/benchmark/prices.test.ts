import { expect, test } from "vitest";
import { costUsd, higherPrice, listPrice, PRICES_DATE } from "./prices.js";
import type { TokenCounts } from "./record.js";

const tokens = (more: Partial<TokenCounts>): TokenCounts => ({ source: "server", ...more });

test("a model is known by its name, its versions and its alias, and no other", () => {
  const price = { in_1m: 0.15, cached_1m: 0.075, out_1m: 0.6 };
  expect(listPrice("openai", "gpt-4o-mini")).toEqual({ price, source: `table ${PRICES_DATE}` });
  expect(listPrice("openai", "gpt-4o-mini-2024-07-18")?.price).toEqual(price);
  expect(listPrice("anthropic", "claude-haiku-4-5-20251001")?.price.in_1m).toBe(1);
  expect(listPrice("openai", "gpt-4o-2024-05-13")?.price.out_1m).toBe(15); // dearer than those after it
  expect(listPrice("anthropic", "claude-sonnet-4-0")?.price.in_1m).toBe(3);
  expect(listPrice("anthropic", "claude-3-5-haiku-latest")?.price.in_1m).toBe(0.8);
  for (const name of ["gpt-4o-audio-preview", "gpt-4o-mini-2024", "GPT-4o", "constructor", "", "gpt-4"]) {
    expect(listPrice("openai", name)).toBeUndefined();
  }
  expect(listPrice("anthropic", "gpt-4o-mini")).toBeUndefined();
});

test("what was cached costs less, and reasoning is among what comes out", () => {
  const { price } = listPrice("openai", "gpt-5-mini") ?? {};
  expect(costUsd(price, tokens({ in: 1000, cached: 600, out: 500, reasoning: 400 }))).toBeCloseTo(
    (400 * 0.25 + 600 * 0.025 + 500 * 2) / 1e6,
    12,
  );
  expect(costUsd(price, tokens({ in: 1000 }))).toBeUndefined();
  expect(costUsd({}, tokens({ in: 1, out: 1 }))).toBeUndefined();
});

test("all of a long request costs more", () => {
  const { price } = listPrice("anthropic", "claude-haiku-5-5") ?? {};
  expect(costUsd(price, tokens({ in: 100_000, out: 1000 }))).toBeCloseTo(0.0105, 12);
  expect(costUsd(price, tokens({ in: 100_001, out: 0 }))).toBeCloseTo(0.0500005, 12);
});

test("the higher of two prices is higher for each kind of token", () => {
  const listed = listPrice("openai", "gpt-5.4")?.price;
  const both = higherPrice({ in_1m: 0, out_1m: 100 }, listed);
  expect(both).toEqual({
    ...{ in_1m: 2.5, cached_1m: 0.25, out_1m: 100 },
    above: { tokens: 272_000, in_1m: 5, cached_1m: 0.5, out_1m: 100 },
  });
});

/** Recommendations by hand. */
import { expect, test } from "vitest";
import { createAggregate } from "./aggregate.js";
import { type Candidate, recommend } from "./recommend.js";
import { planForTests, recordForTests } from "./scoring/campaign-for-tests.js";
import type { Comparison } from "./summary.js";

const CHOICE = { metric: "exact_match", prompt: "p", dataset: "d", higherIsBetter: true, unit: "ratio" };
const model = (name: string, value: number | undefined, usd: number | undefined): Candidate => ({
  ...{ model: name, value, usd, isShare: true },
});
const pair = (a: string, b: string, lo: number, hi: number, verdict = "tie", n = 400): Comparison => ({
  ...{ metric: "exact_match", prompt: "p", dataset: "d", level: "", a, b, n, verdict },
  ...{ difference: (lo + hi) / 2, aOnly: 0, bOnly: 0, p: 1, pHolm: 1, method: "mcnemar-exact" },
  interval: { lo, hi, method: "cluster-bootstrap" },
});

test("the cheapest that is not significantly worse, and sure to be close", () => {
  const models = [model("large", 0.8, 0.01), model("middle", 0.79, 0.004), model("small", 0.6, 0.001)];
  const found = recommend(CHOICE, models, [
    pair("large", "middle", -0.02, 0.04),
    pair("large", "small", 0.15, 0.25, "a"),
  ]);
  expect(found).toMatchObject({ best: "large", model: "middle", margin: 0.05, undecided: [] });
  expect(found?.text).toBe(
    "middle is the cheapest model not significantly worse than large by exact_match: $4 for 1,000 samples against $10, worse by 0.04 at most (95 %, 0.05 is allowed, 400 items)",
  );
  // 0.004 USD a sample: 4 for 1,000; at 0.79 right, 0.004 / 0.79 for a right one.
  expect(found?.costs[1]).toMatchObject({ model: "middle", usdPer1000: 4 });
  expect(found?.costs[1]?.usdPerCorrect).toBeCloseTo(0.00506, 5);
});

test("no difference with few items is no proof: nothing is recommended, and it is said why", () => {
  const models = [model("large", 0.8, 0.01), model("small", 0.7, 0.001)];
  const found = recommend(CHOICE, models, [pair("small", "large", -0.3, 0.1, "tie", 20)]);
  expect(found).toMatchObject({ best: "large", model: "", undecided: ["small"] });
  expect(found?.text).toBe(
    "no recommendation by exact_match: small costs less ($1 for 1,000 samples against $10) and cannot be told apart from large with 20 items: it may be worse by 0.3",
  );
});

test("what is as good is recommended beside something cheaper that is not known", () => {
  const models = [model("large", 0.8, 0.01), model("middle", 0.8, 0.004), model("small", 0.75, 0.001)];
  // Of equal ones the cheapest is the best: small is judged by middle.
  const found = recommend(CHOICE, models, [
    pair("large", "middle", -0.02, 0.02),
    pair("middle", "small", -0.01, 0.11),
  ]);
  expect(found).toMatchObject({ best: "middle", model: "", undecided: ["small"] });
});

test("significantly worse is worse, however little", () => {
  const models = [model("large", 0.8, 0.01), model("small", 0.78, 0.001)];
  const found = recommend(CHOICE, models, [pair("large", "small", 0.01, 0.03, "a", 10_000)]);
  expect(found).toMatchObject({ model: "large" });
  expect(found?.text).toContain("everything that costs less is significantly worse");
});

test("less may be better, and its margin is a share of the best", () => {
  const choice = { ...CHOICE, metric: "cer", higherIsBetter: false, unit: "" };
  const models = [model("large", 0.2, 0.01), model("small", 0.205, 0.001)];
  // small − large between −0.001 and 0.009; the margin is 0.05 × 0.2 = 0.01.
  expect(recommend(choice, models, [pair("small", "large", -0.001, 0.009)])).toMatchObject({
    model: "small",
  });
  expect(recommend(choice, models, [pair("small", "large", -0.001, 0.011)])).toMatchObject({ model: "" });
});

test("without costs there is no choice; an unknown one is not taken for free", () => {
  const both = [model("large", 0.8, undefined), model("small", 0.7, undefined)];
  expect(recommend(CHOICE, both, [])).toBeUndefined();
  expect(recommend(CHOICE, [model("large", 0.8, 0.01)], [])).toBeUndefined();
  const best = recommend(CHOICE, [model("large", 0.8, undefined), model("small", 0.7, 0.001)], []);
  expect(best).toMatchObject({ model: "", text: expect.stringContaining("is not known") });
  const other = recommend(CHOICE, [model("large", 0.8, 0.01), model("own", 0.7, undefined)], []);
  expect(other?.text).toBe(
    "large by exact_match, at $10 for 1,000 samples: it is the best and nothing costs less; what own costs is not known",
  );
});

test("from records: costs of what was asked, values and tests of the summary", () => {
  const items = Array.from({ length: 200 }, (_, i) => ({ id: `i${i}`, input: "x", target: "a", media: [] }));
  const job = (name: string, in_1m: number) => ({
    ...{ model: name, items: items.length, metrics: ["exact_match"], prompt: { output: "text" as const } },
    more: {
      model: { id: name, engine: "openai" as const, model: name, options: {}, price: { in_1m, out_1m: 0 } },
    },
  });
  const plan = planForTests([job("large", 10), job("small", 1)]);
  const aggregate = createAggregate(plan);
  for (const [j, one] of plan.jobs.entries())
    for (const [i, item] of items.entries()) {
      // 180 of 200 are right; small is wrong in one more.
      const right = i < 180 - j;
      aggregate.add(
        recordForTests(
          one,
          i,
          item,
          { output: right ? "a" : "b" },
          {
            tokens: { in: 1000, out: 1, source: "server" },
          },
        ),
      );
    }
  const meta = { state: "succeeded", createdAt: "", endedAt: "", planSha256: "", warnings: [] };
  const [found] = aggregate.summary(meta).recommendations;
  // 1,000 tokens at 10 USD a million: 0.01 a sample, 10 for 1,000; 0.01 ÷ 0.9 for a right answer.
  expect(found).toMatchObject({ best: "large", model: "small" });
  expect(found?.costs.map(({ usdPer1000 }) => usdPer1000)).toEqual([
    expect.closeTo(1, 9),
    expect.closeTo(10, 9),
  ]);
  expect(found?.costs[1]?.usdPerCorrect).toBeCloseTo(0.01 / 0.9, 9);
});

import { expect, test } from "vitest";
import { Summary } from "../client.js";
import { painter } from "./color.js";
import { crossoverSentence, verdictSentence } from "./comparison-text.js";
import { summaryLines } from "./summary-text.js";

const style = { paint: painter(false), wide: false };
const metric = (id: string, value: number | undefined, more: object = {}) => ({
  id,
  unit: "ratio",
  n: 12,
  higherIsBetter: id !== "cer",
  ...(value === undefined
    ? { reason: "no truth" }
    : { value, interval: { lo: value - 0.1, hi: value + 0.1, method: "wilson" } }),
  ...more,
});
const cell = (model: string, levels: { [level: string]: number }, more: object = {}) => ({
  job: `j-${model}`,
  model,
  prompt: "p",
  dataset: "d",
  engine: "ocr",
  metrics: [metric("exact_match", 0.8), metric("bbox_iou", undefined)],
  levels: Object.entries(levels).map(([level, v]) => ({ level, n: 12, metrics: [metric("exact_match", v)] })),
  ranks: [{ metric: "exact_match", rank: 1 }],
  counts: { planned: 24, ok: 20, engineError: 4 },
  failures: [],
  ...more,
});
const comparison = {
  metric: "exact_match",
  prompt: "p",
  dataset: "d",
  level: "",
  a: "one",
  b: "two",
  n: 60,
  difference: -0.02,
  aOnly: 3,
  bOnly: 4,
  p: 1,
  pHolm: 1,
  method: "mcnemar-exact",
  verdict: "tie",
};
const summary = Summary.fromPartial({
  campaignId: "c1",
  name: "test",
  state: "succeeded",
  cells: [cell("one", { tiny: 0.5, blurred: 0.9 }), cell("two", { tiny: 1, blurred: 0.7 })],
  comparisons: [comparison],
});

test("values come with interval, n and rank; what cannot apply says n/a and why", () => {
  const text = summaryLines(summary, style).join("\n");
  expect(text).toMatch(/exact_match {2}one +0\.800 {2}\[0\.700, 0\.900\] +12 +1/);
  expect(text).toContain("\n  bbox_iou: n/a, no truth");
});

test("a metric only one model lacks keeps its row, with the reason", () => {
  const [one, two] = summary.cells;
  if (!one || !two) throw new Error("no cells");
  const other = { ...two, metrics: two.metrics.map((m) => (m.id === "bbox_iou" ? { ...m, value: 0.5 } : m)) };
  const text = summaryLines({ ...summary, cells: [one, other] }, style).join("\n");
  expect(text).toMatch(/bbox_iou +one +n\/a +- +- +- +no truth/);
});

test("a tie is said in a sentence, with the test and its p value", () => {
  expect(summaryLines(summary, style)).toContain(
    "exact_match: one vs two: tie (McNemar p = 1.0, 60 pairs; only the first right 3, only the second 4)",
  );
});

test("a winner is named whichever side it stands on, corrected p beside the raw one", () => {
  const [c] = summary.comparisons;
  if (!c) throw new Error("no comparison");
  const won = { ...c, verdict: "b", difference: -0.42, p: 0.0001, pHolm: 0.0003 };
  expect(verdictSentence(won)).toContain("two beats one by 0.420 (McNemar p < 0.001, Holm p < 0.001");
  expect(verdictSentence({ ...won, verdict: "a", difference: 0.42 })).toContain("one beats two by 0.420");
});

test("a crossover is computed from the levels, and only when both lead somewhere", () => {
  const [c] = summary.comparisons;
  if (!c) throw new Error("no comparison");
  expect(crossoverSentence(summary, c)).toBe(
    "crossover: one leads on blurred (0.200); two leads on tiny (0.500); with 12 items a level read it as a hint",
  );
  const oneWay = Summary.fromPartial({ cells: [cell("one", { tiny: 0.5 }), cell("two", { tiny: 0.5 })] });
  expect(crossoverSentence(oneWay, c)).toBeUndefined();
});

test("smaller is better for cer: the lead turns round", () => {
  const levels = (a: number, b: number) => [
    { level: "tiny", n: 12, metrics: [metric("cer", a)] },
    { level: "blurred", n: 12, metrics: [metric("cer", b)] },
  ];
  const turned = Summary.fromPartial({
    cells: [cell("one", {}, { levels: levels(0.3, 0.1) }), cell("two", {}, { levels: levels(0.1, 0.3) })],
  });
  const [c] = summary.comparisons;
  if (!c) throw new Error("no comparison");
  expect(crossoverSentence(turned, { ...c, metric: "cer" })).toContain(
    "one leads on blurred (0.200); two leads on tiny",
  );
});

test("simulated numbers are marked at the top and at every model", () => {
  const simulated = Summary.fromPartial({
    ...summary,
    simulated: true,
    cells: [cell("one", {}, { simulated: true })],
  });
  const text = summaryLines(simulated, style).join("\n");
  expect(text).toContain("SIMULATED: these numbers come from the simulated engine");
  expect(text).toContain("one [SIMULATED]");
});

test("failures stand below by class, and samples that were not run are said", () => {
  const failed = Summary.fromPartial({
    ...summary,
    cells: [
      cell(
        "one",
        {},
        {
          failures: [
            { status: "engine_error", class: "media_missing", example: "a.png is not there", count: 4 },
          ],
          counts: { planned: 24, notRun: 3, cancelled: 2 },
        },
      ),
    ],
  });
  const text = summaryLines(failed, style).join("\n");
  expect(text).toMatch(/engine_error {2}media_missing +4 {2}one · p · d +a\.png is not there/);
  expect(text).toContain("5 samples were not run");
});

test("a missed target is noted beside its value", () => {
  const target = Summary.fromPartial({
    cells: [
      cell(
        "one",
        {},
        { metrics: [metric("exact_match", 0.5, { target: { expression: ">= 0.80", met: false } })] },
      ),
    ],
  });
  expect(summaryLines(target, style).join("\n")).toContain("target >= 0.80: missed");
});

import { expect, test } from "vitest";
import { Summary } from "../client.js";
import { painter } from "./color.js";
import { comparisonSentences, crossoverSentence, verdictSentence } from "./comparison-text.js";
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

/** Every pair of the models, as the verdicts say; a tie unless named. */
const pairs = (models: string[], more: (a: string, b: string) => object = () => ({})) =>
  models.flatMap((a, i) => models.slice(i + 1).map((b) => ({ ...comparison, a, b, ...more(a, b) })));

test("when all pairs tie, one sentence says so with the smallest p", () => {
  const models = ["a", "b", "c", "d", "e"];
  const comparisons = pairs(models, (a, b) => (a === "a" && b === "b" ? { p: 0.05, pHolm: 0.25 } : {}));
  const tied = Summary.fromPartial({ comparisons });
  expect(comparisonSentences(tied)).toEqual([
    "exact_match: no significant difference among 5 models (10 pairs, smallest Holm p = 0.250)",
  ]);
});

test("winners keep their sentence among ties, and each group says where it is", () => {
  const won = (_: string, b: string) => (b === "c" ? { verdict: "a", difference: 0.4 } : {});
  const comparisons = [
    ...pairs(["a", "b", "c", "d"], won),
    ...pairs(["a", "b", "c"]).map((c) => ({ ...c, prompt: "q" })),
  ];
  const said = comparisonSentences(Summary.fromPartial({ comparisons }));
  expect(said).toHaveLength(4);
  expect(said[0]).toMatch(/^exact_match: a beats c by 0\.400 .* \(p · d\)$/);
  expect(said[1]).toMatch(/^exact_match: b beats c/);
  expect(said[2]).toBe(
    "exact_match: no significant difference in the other 4 of 6 pairs (smallest Holm p = 1.0) (p · d)",
  );
  expect(said[3]).toContain("among 3 models (3 pairs, smallest Holm p = 1.0) (q · d)");
});

test("among many ties only a crossover that a level's test bears out is told", () => {
  const cells = ["one", "two", "three"].map((model, i) => cell(model, { tiny: i / 4, blurred: 1 - i / 4 }));
  const proven = { ...comparison, level: "tiny", verdict: "b" };
  const comparisons = [...pairs(["one", "two", "three"]), proven];
  const said = comparisonSentences(Summary.fromPartial({ cells, comparisons }));
  expect(said).toHaveLength(2);
  expect(said[1]).toContain("two leads on tiny (0.250, significant)");
});

test("one failure of many jobs is one row, another message its own", () => {
  const failures = [
    { status: "engine_error", class: "media_missing", example: "a.png is missing", count: 2 },
  ];
  const other = [{ status: "engine_error", class: "media_missing", example: "b.png is missing", count: 1 }];
  const cells = ["one", "two", "three"].map((model) => cell(model, {}, { failures }));
  const text = summaryLines(
    Summary.fromPartial({ cells: [...cells, cell("four", {}, { failures: other })] }),
    style,
  ).join("\n");
  expect(text).toMatch(/engine_error +media_missing +6 +3 jobs +a\.png is missing/);
  expect(text).toMatch(/engine_error +media_missing +1 +four · p · d +b\.png is missing/);
  expect(text.match(/a\.png/g)).toHaveLength(1);
});

test("the value of the answered samples shows where something failed, and only there", () => {
  const metrics = [metric("exact_match", 0.5, { answeredOnly: { value: 1, n: 6 } })];
  const failures = [{ status: "timeout", class: "timeout", example: "", count: 6 }];
  const shown = (more: object) =>
    summaryLines(Summary.fromPartial({ cells: [cell("one", {}, { metrics, ...more })] }), style).join("\n");
  expect(shown({ failures })).toMatch(/ANSWERED ONLY[\s\S]*1\.000 \(n 6\)/);
  expect(shown({})).not.toContain("ANSWERED ONLY");
});

test("a remark all times share stands below them once; different ones stand beside each", () => {
  const times = (flag: string) => ({ e2eMs: { n: 2, p50: 1, p95: 2, p99: 2, max: 2, flags: [flag] } });
  const shown = (a: string, b: string) =>
    summaryLines(
      Summary.fromPartial({ cells: [cell("one", {}, times(a)), cell("two", {}, times(b))] }),
      style,
    );
  const same = shown("p95: 2 values, 59 needed", "p95: 2 values, 59 needed");
  expect(same.filter((line) => line.includes("59 needed"))).toEqual(["  p95: 2 values, 59 needed"]);
  const differ = shown("p95: 2 values, 59 needed", "p95: 3 values, 59 needed");
  expect(differ.filter((line) => /^ {2}end to end .*59 needed$/.test(line))).toHaveLength(2);
});

test("what the GPUs did stands below the times, with how the energy was found and of what it is not known", () => {
  const gpu = {
    ...{ gpus: 2, windows: 4, windowsWithEnergy: 3, noEnergy: { shared: 1 }, energySource: "integrated" },
    ...{ samples: 24, energyPerSampleJ: 12.5, tokensPerJ: 3.2, meanPowerW: 401.4, peakPowerW: 512 },
    ...{
      smClockMhz: 1980,
      leastSmClockMhz: 1905,
      temperatureC: 71,
      memoryBytes: 2 ** 30,
      utilizationPercent: 0,
    },
  };
  const load = { n: 1, p50: 2500, p95: 2500, p99: 2500, max: 2500 };
  const measured = Summary.fromPartial({ cells: [cell("one", {}, { gpu, loadMs: load }), cell("two", {})] });
  const text = summaryLines(measured, style).join("\n");
  expect(text).toMatch(/^ {2}model load +one +2500 +2500 +2500 +2500 +1$/m);
  expect(text).toMatch(
    /^ {2}one +12\.5 J +n\/a +3\.20 +401 \(512\) W +1980 \(1905\) MHz +0\.000 % +71\.0 °C +1\.00 GiB +2$/m,
  );
  expect(text).toContain("estimated from readings of their power");
  expect(text).toContain("one: energy not known of 1 attempt that shared GPUs");
  expect(summaryLines(summary, style).join("\n")).not.toMatch(/GPU|model load/);
});

test("the original's numbers stand last, apart and named wrong", () => {
  const metrics = [
    { id: "f1_score", value: 0.4, std: 0.4899, n: 5, reason: "" },
    { id: "cer", value: undefined, std: undefined, n: 0, reason: "not reproduced" },
  ];
  const legacy = { warning: "Old errors.", tests: 7, successful: 6, meanLatencyMs: 1500, metrics };
  const lines = summaryLines(Summary.fromPartial({ ...summary, legacy }), style);
  const at = lines.indexOf("LEGACY NUMBERS, wrong on purpose");
  expect(lines.slice(at)).toEqual([
    "LEGACY NUMBERS, wrong on purpose",
    "  Old errors.",
    "  LEGACY METRIC  LEGACY VALUE     STD  COUNTED  NOTE",
    "  f1_score             0.4000  0.4899        5  -",
    "  cer                     n/a       -        0  not reproduced",
    "  7 tests, 6 successful, mean latency 1500 ms",
  ]);
  expect(lines.slice(0, at - 1)).toEqual(summaryLines(summary, style));
});

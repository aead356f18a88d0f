/** The original's numbers for hand-made answers, each worked out by its rules; legacy.ts lists them. */
import { describe, expect, test } from "vitest";
import { createAggregate } from "./aggregate.js";
import type { Item } from "./item.js";
import type { PromptSpec } from "./plan.js";
import { builtinPrompts } from "./prompts/builtin-prompts.js";
import { type Given, planForTests, recordForTests } from "./scoring/campaign-for-tests.js";
import { readSuite } from "./suite.js";
import type { Summary } from "./summary.js";

const META = { state: "done", createdAt: "", endedAt: "", planSha256: "", warnings: [] };
const METRICS = [
  ...["accuracy", "precision", "recall", "f1_score", "latency", "throughput", "cost"],
  ...["bbox_iou", "bbox_precision", "parse_success_rate", "error_rate"],
];
const FIRE: Partial<PromptSpec> = { id: "early_fire_json", fields: { has_smoke: "has_smoke", bbox: "bbox" } };

interface Job {
  model?: string;
  prompt?: Partial<PromptSpec>;
  metrics?: string[];
  /** Item, answer, what else the record says. */
  samples: [Item, Given, object?][];
}
function summarize(jobs: Job[], compat = true): Summary {
  const plan = planForTests(
    jobs.map(({ model = "m", prompt = FIRE, samples, metrics = METRICS }) => ({
      ...{ model, prompt, metrics, items: samples.length },
    })),
  );
  const aggregate = createAggregate(compat ? { ...plan, compat: "sai-legacy" } : plan);
  jobs.forEach(({ samples }, j) => {
    const job = plan.jobs[j];
    if (job === undefined) throw new Error("no job");
    samples.forEach(([item, given, more], i) => {
      aggregate.add(recordForTests(job, i, item, given, { parse_mode: "direct", ...more }));
    });
  });
  return aggregate.summary(META);
}
/** Legacy values by metric. */
function legacy(...jobs: Job[]): { [id: string]: number | undefined } {
  const own = summarize(jobs).legacy;
  if (own === undefined) throw new Error("no legacy numbers");
  return Object.fromEntries(own.metrics.map(({ id, value }) => [id, value]));
}
let next = 0;
const picture = (has_smoke: boolean, bbox?: number[]): Item => ({
  ...{ id: `i${next++}`, media: [], truth: { has_smoke, ...(bbox === undefined ? {} : { bbox }) } },
});
const says = (has_smoke: unknown, bbox: unknown = null): Given => ({
  output: JSON.stringify({ has_smoke, bbox }),
});
/** TP 2, FP 1, FN 1, TN 1. */
const five = (): Job["samples"] => [
  [picture(true), says(true)],
  [picture(true), says(true)],
  [picture(false), says(true)],
  [picture(true), says(false)],
  [picture(false), says(false)],
];

describe("the original's known wrong numbers", () => {
  test("TP 2, FP 1, FN 1, TN 1 give 0.40 where 0.667 is right; times and prices are 0", () => {
    const summary = summarize([{ samples: five() }]);
    expect(legacy({ samples: five() })).toEqual({
      ...{ accuracy: 0.6, precision: 0.4, recall: 0.4, f1_score: 0.4, latency: 0, throughput: 0, cost: 0 },
      ...{ bbox_iou: 0, bbox_precision: 0, parse_success_rate: 1, error_rate: 0 },
    });
    const right = Object.fromEntries(summary.cells[0]?.metrics.map(({ id, value }) => [id, value]) ?? []);
    expect(right).toMatchObject({ precision: 2 / 3, recall: 2 / 3, f1_score: 2 / 3, latency: 100 });
    expect(summary.legacy).toMatchObject({ tests: 5, successful: 5, meanLatencyMs: 100 });
    // Standard deviation of 1, 1, 0, 0, 0 over all five: sqrt(0.4 · 0.6).
    expect(summary.legacy?.metrics.find(({ id }) => id === "f1_score")?.std).toBeCloseTo(Math.sqrt(0.24));
    expect(summary.legacy?.warning).toMatch(/known errors/);
  });

  test("failed and unparsed samples leave the denominators, and the parse rate is 1 all the same", () => {
    const samples: Job["samples"] = [
      [picture(true), says(true)],
      [picture(true), { status: "timeout" }],
      [picture(true), { output: "smoke!" }],
      [picture(true), { status: "cancelled" }],
    ];
    expect(legacy({ samples })).toMatchObject({
      accuracy: 1,
      recall: 1,
      parse_success_rate: 1,
      error_rate: 0,
    });
    const summary = summarize([{ samples }]);
    expect(summary.legacy).toMatchObject({ tests: 3, successful: 2 });
    expect(summary.cells[0]?.metrics.find(({ id }) => id === "recall")?.value).toBeCloseTo(1 / 3);
  });

  test.each([
    ["prose around it", { output: 'I see {"has_smoke": true, "bbox": null}.' }, "extracted"],
    ["a fence around it", { output: '```json\n{"has_smoke": true, "bbox": null}\n```' }, "fenced"],
  ])("JSON with %s is discarded", (_, given, parse_mode) => {
    const samples: Job["samples"] = [
      [picture(true), given, { parse_mode }],
      [picture(false), says(true)],
    ];
    expect(legacy({ samples })["accuracy"]).toBe(0);
    expect(summarize([{ samples }]).cells[0]?.metrics[0]?.value).toBe(0.5);
  });

  test("two prompts can never be positive", () => {
    const lines = builtinPrompts.get("wildfire_confidence");
    const sequence = builtinPrompts.get("detailed_sequence_analysis");
    const yes: Job["samples"][] = [
      [[picture(true), { output: "Judgment: Yes\nConfidence: 0.9\nJustification: smoke" }]],
      [[picture(true), { output: '{"smoke_detected": "Yes", "confidence": 0.9}' }]],
    ];
    for (const [i, prompt] of [lines, sequence].entries()) {
      if (prompt === undefined) throw new Error("no prompt");
      const job = { prompt: { ...prompt, sha256: "x" }, samples: yes[i] ?? [] };
      expect(legacy(job)).toMatchObject({ accuracy: 0, precision: 0, recall: 0, f1_score: 0 });
      expect(
        summarize([job])
          .cells[0]?.metrics.slice(0, 4)
          .map(({ value }) => value),
      ).toEqual([1, 1, 1, 1]);
    }
  });

  test("smoke-free pictures have an overlap of 0, and a box is right at 0.5 whatever the suite says", () => {
    const bbox = [0.5, 0.5, 0.4, 0.4];
    const samples: Job["samples"] = [
      [picture(true, bbox), says(true, bbox)],
      [picture(false), says(false)],
      [picture(false), says(false)],
      // A quarter: a box inside of half the side.
      [picture(true, bbox), says(true, [0.5, 0.5, 0.2, 0.2])],
    ];
    expect(legacy({ samples })).toMatchObject({
      bbox_iou: expect.closeTo(1.25 / 4, 12),
      bbox_precision: 1 / 4,
    });
    const right = summarize([{ samples }]).cells[0]?.metrics;
    expect(right?.find(({ id }) => id === "bbox_iou")?.value).toBeCloseTo(0.625, 12);
    expect(right?.find(({ id }) => id === "bbox_precision")?.value).toBe(0.5);
  });

  test("models are pooled, failed tries count as latency, words are no booleans", () => {
    const late = {
      ms: 900,
      t_ns: { scheduled: 0, sent: 600e6, done: 900e6 },
      tries: [{ t_ns: 0, status: "x" }],
    };
    const good: Job = { model: "good", samples: [[picture(true), says(true), late]] };
    const bad: Job = {
      model: "bad",
      samples: [
        [picture(true), says(false)],
        [picture(true), says("no")],
      ],
    };
    expect(legacy(good, bad)).toMatchObject({ accuracy: 1 / 3, precision: 2 / 3 });
    const summary = summarize([good, bad]);
    expect(summary.legacy?.meanLatencyMs).toBeCloseTo((900 + 100 + 100) / 3);
    expect(summary.cells.map((cell) => cell.metrics[0]?.value)).toEqual([1, 0]);
  });

  test("what the original never had is n/a, with a reason", () => {
    const metrics = ["cer", "accuracy", "constructor"];
    const samples: Job["samples"] = [[{ id: "t", media: [], target: "x" }, { output: '{"answer": "x"}' }]];
    const none = "no sample that the original would have counted";
    expect(summarize([{ samples, metrics }]).legacy?.metrics).toEqual([
      { id: "cer", n: 0, reason: none },
      { id: "accuracy", n: 0, reason: none },
      { id: "constructor", n: 0, reason: none },
    ]);
    const own = summarize([{ samples: five(), metrics }]).legacy?.metrics;
    expect(own?.[0]).toEqual({ id: "cer", n: 0, reason: "not reproduced" });
    expect(own?.[2]).toEqual({ id: "constructor", n: 0, reason: "not reproduced" });
  });
});

test("without compat there are none, and with it nothing else changes", () => {
  const jobs: Job[] = [{ samples: five() }];
  const plain = summarize(jobs, false);
  expect(plain.legacy).toBeUndefined();
  expect({ ...summarize(jobs), legacy: undefined }).toEqual({ ...plain, legacy: undefined });
});

test("compat is a key of the suite", () => {
  const suite = {
    ...{ name: "n", description: "d", prompts: ["early_fire_json"], models: ["m"], datasets: ["d"] },
    metrics: ["accuracy"],
  };
  expect(readSuite({ ...suite, compat: "sai-legacy" }).suite?.compat).toBe("sai-legacy");
  expect(readSuite(suite).suite).not.toHaveProperty("compat");
  expect(readSuite({ ...suite, compat: "sai-legasy" }).findings).toMatchObject([
    { field: "compat", hint: expect.stringContaining("sai-legacy") },
  ]);
});

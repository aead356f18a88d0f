/** Repetitions of items, and metrics of a suite's own, through the whole path: answers to records to the summary. */
import { describe, expect, test } from "vitest";
import { createAggregate } from "../aggregate.js";
import type { Item } from "../item.js";
import { METRIC_IDS, PASSES, parseMetricName, VOTES } from "../metric-ids.js";
import type { CustomMetric, MetricSpec } from "../plan.js";
import { type Given, planForTests, recordForTests } from "../scoring/campaign-for-tests.js";
import type { MetricValue, Summary } from "../summary.js";
import { definitionOf } from "./definition.js";
import { METRICS } from "./registry.js";

/** `answers[i]`: those of item i, one a repetition; undefined: it failed. */
type Answers = (Given | undefined)[][];
const META = { state: "", createdAt: "", endedAt: "", planSha256: "", warnings: [] };
const GSM = { output: "text", answer: { extract: [], normalize: [], type: "number" } } as const;

function summarize(metrics: MetricSpec[], items: Item[], models: Answers[], prompt: object = GSM): Summary {
  const plan = planForTests(
    models.map((answers, m) => ({
      ...{ model: `m${m}`, prompt, items: items.length, metrics },
      more: { repetitions: answers[0]?.length ?? 1 },
    })),
  );
  const aggregate = createAggregate(plan);
  models.forEach((answers, m) => {
    const job = plan.jobs[m];
    if (job === undefined) throw new Error("no job");
    answers.forEach((own, i) => {
      const item = items[i];
      own.forEach((given, repetition) => {
        if (item === undefined) throw new Error("no item");
        const ordinal = repetition * items.length + i;
        aggregate.add(recordForTests(job, ordinal, item, given ?? { status: "timeout" }));
      });
    });
  });
  return aggregate.summary(META);
}
function metricOf(spec: MetricSpec, items: Item[], answers: Answers, prompt?: object): MetricValue {
  const [value] = summarize([spec], items, [answers], prompt).cells[0]?.metrics ?? [];
  if (value === undefined) throw new Error("no metric");
  return value;
}
const named = (id: string): MetricSpec => {
  const { of, by, k } = parseMetricName(id);
  return by === "mean" ? { id } : { id, reduce: { of, by, ...(k === undefined ? {} : { k }) } };
};
const gsm = (n: number, cluster?: (i: number) => string): Item[] =>
  Array.from({ length: n }, (_, i) => ({
    ...{ id: `q${i}`, media: [], target: "18" },
    ...(cluster ? { cluster: cluster(i) } : {}),
  }));
const say = (...texts: (string | undefined)[]): (Given | undefined)[] =>
  texts.map((output) => (output === undefined ? undefined : { output }));

describe("pass@k", () => {
  // Right in 1 of 3, 0 of 3 (once failed, once unparsed), 3 of 3.
  const answers = [say("18", "3", "4"), say(undefined, "7", "no number"), say("18", "18.0", "so 18")];

  test("by hand: k 1 is the mean, k 2 leaves out both wrong ones, k 3 asks for any", () => {
    const of = (k: number) => metricOf(named(`exact_match.pass@${k}`), gsm(3), answers);
    expect(of(1).value).toBeCloseTo((1 / 3 + 0 + 1) / 3, 12);
    expect(metricOf(named("exact_match"), gsm(3), answers).value).toBeCloseTo(of(1).value ?? 0, 12);
    // 1 − C(2, 2) ÷ C(3, 2) = 2 / 3.
    expect(of(2).value).toBeCloseTo((2 / 3 + 0 + 1) / 3, 12);
    expect(of(3)).toMatchObject({ value: 2 / 3, n: 3 });
  });

  test("is an average over items where chance is left, and a yes or no where all runs count", () => {
    const of = (k: number) => metricOf(named(`exact_match.pass@${k}`), gsm(3), answers).interval?.method;
    expect([of(1), of(2), of(3)]).toEqual(["cluster-bootstrap", "cluster-bootstrap", "wilson"]);
    const clustered = gsm(3, (i) => (i < 2 ? "one" : "two"));
    const method = metricOf(named("exact_match.pass@3"), clustered, answers).interval?.method;
    expect(method).toBe("cluster-bootstrap");
  });

  test("items that ran less often than k are not in it, and that is said", () => {
    const cancelled: Given = { status: "cancelled" };
    const short: Answers = [say("3", "18", "18"), [cancelled, ...say("18", "18")]];
    const summary = summarize([named("exact_match.pass@3")], gsm(2), [short]);
    expect(summary.cells[0]?.metrics[0]).toMatchObject({ value: 1, n: 1 });
    expect(summary.warnings).toContain(
      "m0 × p × d: exact_match.pass@3: 1 item with fewer than 3 repetitions left out",
    );
    const none = metricOf(named("exact_match.pass@4"), gsm(2), short);
    expect(none).toMatchObject({ value: undefined, reason: "no item has 4 repetitions" });
  });

  test("models are compared by it, item by item", () => {
    const one = Array.from({ length: 8 }, () => say("3", "18"));
    const none = Array.from({ length: 8 }, () => say("3", "4"));
    const { comparisons, cells } = summarize([named("exact_match.pass@2")], gsm(8), [one, none]);
    // All eight differ, one way: 2 / 2^8.
    expect(comparisons).toMatchObject([
      {
        metric: "exact_match.pass@2",
        n: 8,
        difference: 1,
        aOnly: 8,
        bOnly: 0,
        p: expect.closeTo(2 / 256, 12),
        method: "mcnemar-exact",
      },
    ]);
    expect(cells.map((cell) => cell.ranks)).toEqual([
      [{ metric: "exact_match.pass@2", rank: 1 }],
      [{ metric: "exact_match.pass@2", rank: 2 }],
    ]);
  });
});

describe("majority", () => {
  const majority = (...texts: (string | undefined)[]) =>
    metricOf(named("exact_match.majority"), gsm(1), [say(...texts)]).value;

  test("the answer most repetitions give, in whatever spelling", () => {
    expect(majority("18", "3", "18.0")).toBe(1);
    expect(majority("18", "3", "3")).toBe(0);
    // More right ones than of any other, though most are wrong.
    expect(majority("1", "18", "2", "18", "3")).toBe(1);
  });

  test("of equally many the first; no answer is a vote like another", () => {
    expect(majority("18", "3")).toBe(1);
    expect(majority("3", "18")).toBe(0);
    expect(majority(undefined, "no number", "18")).toBe(0);
    expect(majority("18", "18", undefined, "?")).toBe(1);
  });

  test("is one answer an item: Wilson's interval, and no confusion of samples", () => {
    const items: Item[] = [true, true, false].map((has_smoke, i) => ({
      ...{ id: `i${i}`, media: [], truth: { has_smoke } },
    }));
    const smoke = (...said: boolean[]): Given[] =>
      said.map((has_smoke) => ({ output: JSON.stringify({ has_smoke }) }));
    const answers = [smoke(true, false, true), smoke(false, false, true), smoke(true, true, false)];
    const of = (id: string) => metricOf(named(id), items, answers, { output: "json" });
    // By majority: a true positive, a false negative, a false positive.
    expect(of("accuracy.majority")).toMatchObject({ value: 1 / 3, n: 3, interval: { method: "wilson" } });
    expect(of("accuracy.majority").confusion).toBeUndefined();
    expect(of("precision.majority")).toMatchObject({ value: 1 / 2, n: 2 });
    expect(of("f1_score.majority").value).toBe(1 / 2);
    // Means: 2 + 1 of 6 for smoke, 1 of 3 without.
    expect(of("accuracy").value).toBeCloseTo(4 / 9, 12);
    expect(of("f1_score").confusion).toEqual({ tp: 3, fp: 2, fn: 3, tn: 1 });
  });
});

describe("metrics of a suite's own", () => {
  const custom = (expression: string, more: Partial<CustomMetric> = {}): MetricSpec => ({
    ...{ id: "own", custom: { expression, wrong: 0, higherIsBetter: true, ...more } },
  });
  const counted = (total: number | undefined, more: Partial<Item> = {}): Item => ({
    ...{ id: `c${total}`, media: [], truth: total === undefined ? {} : { total_objects: total }, ...more },
  });
  const said = (answer: object): (Given | undefined)[] => [{ output: JSON.stringify(answer) }];
  const JSON_PROMPT = { output: "json" };
  const close = "abs(total_objects - truth.total_objects) <= 1";

  test("a comparison is a proportion; what failed, was not parsed or lacks the field counts as wrong", () => {
    const items = [counted(4), counted(5), counted(6), counted(7), counted(undefined)];
    const answers: Answers = [
      said({ total_objects: 5 }),
      [undefined],
      [{ output: "five" }],
      said({ objects: [] }),
      said({ total_objects: 5 }),
    ];
    const value = metricOf(custom(close), items, answers, JSON_PROMPT);
    expect(value).toMatchObject({ value: 1 / 4, n: 4, unit: "ratio", interval: { method: "wilson" } });
    expect(value.answeredOnly).toEqual({ value: 1 / 3, n: 3 });
  });

  test("numbers are averaged by cluster, with the unit and the worst value of the suite", () => {
    const off = custom("abs(total_objects - truth.total_objects)", {
      ...{ higherIsBetter: false, wrong: 9, unit: "objects" },
    });
    const items = [counted(4, { cluster: "a" }), counted(5, { cluster: "a" }), counted(6, { cluster: "b" })];
    const answers: Answers = [said({ total_objects: 6 }), said({ total_objects: 5 }), [undefined]];
    expect(metricOf(off, items, answers, JSON_PROMPT)).toMatchObject({
      ...{ value: 11 / 3, n: 3, unit: "objects", higherIsBetter: false },
      // Clusters (2 + 0) of 2 and 9 of 1: draws are 1, 9 or the value.
      interval: { lo: 1, hi: 9, method: "cluster-bootstrap" },
    });
  });

  test("sees truth, target, item, the output and the other scores", () => {
    const item: Item = { id: "x", media: [], target: "red fox", level: "hard", vars: { n: 3 } };
    const answers: Answers = [[{ output: "rad fox" }]];
    const of = (expression: string) =>
      metricOf(custom(expression), [item], answers, { output: "text" }).value;
    expect(of("1 - scores.cer")).toBeCloseTo(6 / 7);
    expect(of("text == 'rad fox' && answer != target && item.level == 'hard'")).toBe(1);
    expect(of("item.n / 2 + len(item.id)")).toBe(2.5);
  });

  test("applies where `when` holds, else where all is there that it reads of the item", () => {
    const items = [counted(0), counted(4)];
    const answers = [said({ total_objects: 0 }), said({ total_objects: 3 })];
    const of = (more: Partial<CustomMetric>) => metricOf(custom(close, more), items, answers, JSON_PROMPT).n;
    expect([of({}), of({ when: "truth.total_objects > 0" }), of({ when: "false" })]).toEqual([2, 1, 0]);
    const none = metricOf(custom("target == 'x'"), items, answers, JSON_PROMPT);
    expect(none).toMatchObject({ value: undefined, reason: "no item has what it needs" });
    const lacking = metricOf(custom(close), items, answers, { output: "text" });
    expect(lacking.reason).toBe("the prompt does not produce total_objects");
  });

  test("by pass@k, and compared between models", () => {
    const items = Array.from({ length: 6 }, (_, i) => counted(4, { id: `k${i}` }));
    const twice = items.map(() => [...said({ total_objects: 9 }), ...said({ total_objects: 4 })]);
    const never = items.map(() => [...said({ total_objects: 9 }), undefined]);
    const spec: MetricSpec = { ...custom(close), id: "own.pass@2", reduce: { of: "own", by: "pass", k: 2 } };
    const { cells, comparisons } = summarize([spec], items, [twice, never], JSON_PROMPT);
    expect(cells.map((cell) => cell.metrics[0]?.value)).toEqual([1, 0]);
    expect(comparisons).toMatchObject([
      { metric: "own.pass@2", p: expect.closeTo(2 / 64, 12), verdict: "a" },
    ]);
  });
});

test("the names that a suite may use with pass@k and majority are those that can be read so", () => {
  for (const id of METRIC_IDS) {
    const { what } = METRICS[id];
    const readings = what.kind === "quality" ? what.readings : [];
    expect([id, readings.some((r) => r.passes)]).toEqual([id, PASSES.includes(id)]);
    expect([id, readings.some((r) => r.vote !== undefined)]).toEqual([id, VOTES.includes(id)]);
    expect(definitionOf(named(`${id}.pass@2`)) !== undefined).toBe(PASSES.includes(id));
  }
});

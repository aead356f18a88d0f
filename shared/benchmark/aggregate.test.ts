import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createAggregate } from "./aggregate.js";
import type { Item } from "./item.js";
import type { Plan } from "./plan.js";
import type { ResultRecord } from "./record.js";
import { type Given, type JobForTests, planForTests, recordForTests } from "./scoring/campaign-for-tests.js";
import { seededRandom } from "./seeded.js";
import type { Cell, MetricValue, Summary } from "./summary.js";

const META = { state: "done", createdAt: "t0", endedAt: "t1", planSha256: "p", warnings: [] };

function summarize(plan: Plan, records: readonly ResultRecord[]): Summary {
  const aggregate = createAggregate(plan);
  for (const record of records) aggregate.add(record);
  return aggregate.summary(META);
}
/** One job, one answer an item. */
function oneCell(job: Omit<JobForTests, "items">, items: Item[], given: Given[], more: object[] = []): Cell {
  const plan = planForTests([{ ...job, items: items.length }]);
  const [spec] = plan.jobs;
  if (spec === undefined) throw new Error("no job");
  const records = given.map((g, i) => recordForTests(spec, i, itemAt(items, i), g, more[i]));
  const [cell] = summarize(plan, records).cells;
  if (cell === undefined) throw new Error("no cell");
  return cell;
}
function itemAt(items: readonly Item[], i: number): Item {
  const item = items[i % items.length];
  if (item === undefined) throw new Error(`no item ${i}`);
  return item;
}
function metric(cell: Cell, id: string): MetricValue {
  const found = cell.metrics.find((m) => m.id === id);
  if (found === undefined) throw new Error(`no metric ${id}`);
  return found;
}
const smoke = (...labels: boolean[]): Item[] =>
  labels.map((has_smoke, i) => ({ id: `i${i}`, media: [], truth: { has_smoke } }));
const says = (has_smoke: boolean): Given => ({ output: JSON.stringify({ has_smoke }) });
const BINARY = ["accuracy", "precision", "recall", "f1_score", "specificity", "false_positive_rate"];
const T = true;
const F = false;

describe("binary metrics", () => {
  test("TP 2, FP 1, FN 1, TN 1", () => {
    const cell = oneCell({ metrics: BINARY }, smoke(T, T, F, T, F), [T, T, T, F, F].map(says));
    const values = BINARY.map((id) => metric(cell, id).value);
    // F1 = 2·2 / (2·2 + 1 + 1) = 0.667; accuracy 3 / 5, precision 2 / 3, recall 2 / 3, specificity 1 / 2.
    expect(values).toEqual([0.6, 2 / 3, 2 / 3, 4 / 6, 0.5, 0.5]);
    expect(metric(cell, "f1_score")).toMatchObject({ n: 5, confusion: { tp: 2, fp: 1, fn: 1, tn: 1 } });
    expect(metric(cell, "f1_score").interval?.method).toBe("cluster-bootstrap");
    expect(metric(cell, "precision")).toMatchObject({ n: 3, interval: { method: "wilson" } });
    expect(metric(cell, "accuracy")).toMatchObject({ n: 5, answeredOnly: undefined });
    expect(metric(cell, "false_positive_rate").higherIsBetter).toBe(false);
  });

  test("failures count as wrong, and the answered ones stand beside", () => {
    const cell = oneCell(
      { metrics: [...BINARY, "parse_success_rate", "error_rate"] },
      smoke(T, T, F, T, F, T),
      [
        says(T), // tp
        { status: "timeout" }, // fn
        { status: "engine_error" }, // fp
        { output: "hm" }, // parse error: fn, and answered
        says(F), // tn
        { status: "cancelled" }, // leaves
      ],
    );
    expect(metric(cell, "accuracy")).toMatchObject({
      value: 2 / 5,
      n: 5,
      confusion: { tp: 1, fp: 1, fn: 2, tn: 1 },
    });
    expect(metric(cell, "accuracy").answeredOnly).toEqual({ value: 2 / 3, n: 3 });
    expect(metric(cell, "f1_score").value).toBe(2 / 5);
    // Answered only: tp 1, fn 1, tn 1: 2 / 3.
    expect(metric(cell, "f1_score").answeredOnly).toEqual({ value: 2 / 3, n: 3 });
    expect(metric(cell, "precision")).toMatchObject({ value: 0.5, answeredOnly: { value: 1, n: 1 } });
    expect(metric(cell, "parse_success_rate")).toMatchObject({ value: 2 / 3, n: 3 });
    expect(metric(cell, "error_rate")).toMatchObject({ value: 2 / 5, n: 5 });
    expect(cell.counts).toEqual({
      planned: 6,
      ok: 2,
      parseError: 1,
      refused: 0,
      engineError: 1,
      timeout: 1,
      oom: 0,
      poison: 0,
      cancelled: 1,
      notRun: 0,
    });
    expect(cell.failures).toEqual([
      { status: "engine_error", class: "engine_error", example: "engine_error of i2", count: 1 },
      { status: "parse_error", class: "parse_error", example: "no JSON object in the answer", count: 1 },
      { status: "timeout", class: "timeout", example: "timeout of i1", count: 1 },
    ]);
  });

  test("as scikit-learn has it", () => {
    const url = new URL("./statistics/fixtures/published.json", import.meta.url);
    const { binary } = JSON.parse(readFileSync(url, "utf8"));
    const items = smoke(...binary.truth.map((t: number) => t === 1));
    const cell = oneCell(
      { metrics: BINARY },
      items,
      binary.predicted.map((p: number) => says(p === 1)),
    );
    for (const id of BINARY.slice(0, 5)) expect(metric(cell, id).value, id).toBeCloseTo(binary[id], 12);
    const { tn, fp, fn, tp } = metric(cell, "accuracy").confusion ?? {};
    expect([tn, fp, fn, tp]).toEqual(binary.confusion);
  });
});

describe("n/a is never 0", () => {
  const reason = (cell: Cell, id: string): string => {
    expect(metric(cell, id).value, id).toBeUndefined();
    return metric(cell, id).reason;
  };
  test("without truth, fields, positives, price, boxes with scores", () => {
    const metrics = [
      "precision",
      "recall",
      "exact_match",
      "bbox_iou",
      "cost",
      "map_50",
      "color_accuracy",
      "odd",
    ];
    const cell = oneCell({ metrics }, smoke(F, F), [says(F), says(F)]);
    expect(reason(cell, "precision")).toBe("nothing was called positive");
    expect(reason(cell, "recall")).toBe("no item is truly positive");
    expect(reason(cell, "exact_match")).toBe("the prompt does not produce answer");
    expect(reason(cell, "bbox_iou")).toBe("the prompt does not produce bbox");
    expect(reason(cell, "cost")).toBe("the model has no price");
    expect(reason(cell, "map_50")).toBe("the prompt does not produce boxes or bbox");
    expect(reason(cell, "color_accuracy")).toBe("the prompt does not produce colors");
    expect(reason(cell, "odd")).toBe("there is no metric odd");
  });
  test("map_50 needs a score with the box, and takes P(smoke) for one", () => {
    const bbox = [0.5, 0.5, 0.2, 0.2];
    const items: Item[] = [
      { id: "a", media: [], truth: { has_smoke: true, bbox } },
      { id: "b", media: [], truth: { has_smoke: false } },
    ];
    const of = (...answers: object[]) => {
      const given = answers.map((answer) => ({ output: JSON.stringify(answer) }));
      return metric(oneCell({ metrics: ["map_50"] }, items, given), "map_50");
    };
    expect(of({ bbox }, { bbox }).reason).toBe("the prompt does not produce boxes or score or p_smoke");
    expect(of({ boxes: [{ bbox }] }, { boxes: [] }).reason).toBe("the boxes of the answers have no scores");
    // The wrong box leads: one of one found at a precision of a half; behind, it takes nothing away.
    expect(of({ bbox, p_smoke: 0.6 }, { bbox, p_smoke: 0.9 }).value).toBe(0.5);
    expect(of({ bbox, p_smoke: 0.9 }, { bbox, p_smoke: 0.6 }).value).toBe(1);
    // Found twice: the second is wrong. A box that nobody has is never found.
    expect(
      of(
        {
          boxes: [
            { bbox, score: 1 },
            { bbox, score: 0.9 },
          ],
        },
        { boxes: [] },
      ).value,
    ).toBe(1);
    expect(of({ boxes: [] }, { boxes: [{ bbox, score: 0.1 }] }).value).toBe(0);
  });
  test("a prompt that says what it produces is judged even if no answer came", () => {
    const job = {
      prompt: { fields: { has_smoke: "has_smoke" } },
      metrics: ["accuracy", "recall", "latency"],
    };
    const cell = oneCell(job, smoke(T, F), [{ status: "timeout" }, { status: "oom" }]);
    expect(metric(cell, "accuracy")).toMatchObject({
      value: 0,
      n: 2,
      answeredOnly: { value: undefined, n: 0 },
    });
    expect(metric(cell, "recall").value).toBe(0);
    expect(reason(cell, "latency")).toBe("nothing was answered");
    expect(cell.e2eMs).toBeUndefined();
  });
  test("items without truth, and nothing run yet", () => {
    const job = {
      prompt: { fields: { has_smoke: "has_smoke" } },
      metrics: ["accuracy", "throughput", "error_rate"],
    };
    const blank = oneCell(job, [{ id: "a", media: [] }], [says(T)]);
    expect(reason(blank, "accuracy")).toBe("no item has a true label (has_smoke)");
    const unrun = oneCell(job, smoke(T), []);
    expect(job.metrics.map((id) => reason(unrun, id))).toEqual([
      "nothing was run",
      "nothing was answered",
      "nothing was run",
    ]);
    expect(unrun.counts).toMatchObject({ planned: 1, notRun: 1 });
  });
});

describe("boxes, groups, texts", () => {
  test("bbox metrics by hand", () => {
    const box = [0.5, 0.5, 0.4, 0.4];
    const items: Item[] = [
      ...[0, 1, 2].map((i) => ({ id: `p${i}`, media: [], truth: { has_smoke: true, bbox: box } })),
      ...smoke(F, F),
    ];
    const cell = oneCell({ metrics: ["bbox_iou", "bbox_precision", "bbox_recall"] }, items, [
      { output: '{"has_smoke": true, "bbox": [0.5, 0.5, 0.4, 0.4]}' }, // IoU 1
      { output: '{"has_smoke": true, "bbox": [0.5, 0.5, 0.2, 0.2]}' }, // IoU 0.25, no hit
      { status: "timeout" }, // IoU 0
      { output: '{"has_smoke": true, "bbox": [0.5, 0.5, 0.2, 0.2]}' }, // a box where none is
      { output: '{"has_smoke": false, "bbox": null}' },
    ]);
    expect(metric(cell, "bbox_iou")).toMatchObject({
      n: 3,
      answeredOnly: { n: 2, value: expect.closeTo(0.625) },
    });
    expect(metric(cell, "bbox_iou").value).toBeCloseTo(1.25 / 3, 12);
    expect(metric(cell, "bbox_precision")).toMatchObject({ value: 1 / 3, n: 3 });
    expect(metric(cell, "bbox_recall")).toMatchObject({ value: 1 / 3, n: 3 });
  });
  test("resolution_consistency against the first of the group", () => {
    const items: Item[] = ["g", "g", "h", "g"].map((group, i) => ({ id: `i${i}`, media: [], group }));
    const objects = (...names: string[]): Given => ({ output: JSON.stringify({ objects: names }) });
    const cell = oneCell({ metrics: ["resolution_consistency"] }, items, [
      objects("a", "b"),
      objects("a", "b", "c"), // 2 / 3
      objects("x"), // alone in its group
      { status: "timeout" }, // 0
    ]);
    expect(metric(cell, "resolution_consistency")).toMatchObject({ value: 1 / 3, n: 2 });
    // Both hang on the same first item: one cluster, no interval.
    expect(metric(cell, "resolution_consistency").interval).toBeUndefined();
  });
  test("accuracy of text answers is the share that matches; cer falls", () => {
    const items: Item[] = ["ab", "cd"].map((target, i) => ({ id: `i${i}`, media: [], target }));
    const job = { prompt: { output: "text" as const }, metrics: ["accuracy", "exact_match", "cer"] };
    const cell = oneCell(job, items, [{ output: "ab" }, { output: "cx" }]);
    expect(metric(cell, "accuracy")).toMatchObject({ value: 0.5, confusion: undefined });
    expect(metric(cell, "exact_match").value).toBe(0.5);
    expect(metric(cell, "cer")).toMatchObject({ value: 0.25, higherIsBetter: false });
  });
});

describe("repetitions and clusters", () => {
  test("repetitions are averaged within the item, and Wilson is for single rows", () => {
    const plan = planForTests([{ items: 2, metrics: ["accuracy"], more: { repetitions: 2 } }]);
    const [job] = plan.jobs;
    if (job === undefined) throw new Error();
    const items = smoke(T, T);
    // Item 0: right, cancelled: 1. Item 1: right, wrong: 1 / 2. Mean 0.75 over two items, not 2 / 3 over three rows.
    const given: Given[] = [says(T), says(T), { status: "cancelled" }, says(F)];
    const records = given.map((g, i) => recordForTests(job, i, itemAt(items, i), g));
    const [cell] = summarize(plan, records).cells;
    expect(cell && metric(cell, "accuracy")).toMatchObject({
      value: 0.75,
      n: 2,
      interval: { method: "cluster-bootstrap" },
    });
  });
  test("two items of one cluster are not independent rows", () => {
    const items = smoke(T, T, T).map((item, i) => ({ ...item, cluster: i < 2 ? "x" : "y" }));
    const cell = oneCell({ metrics: ["accuracy"] }, items, [says(T), says(F), says(T)]);
    expect(metric(cell, "accuracy")).toMatchObject({
      value: 2 / 3,
      interval: { method: "cluster-bootstrap" },
    });
  });
});

describe("times, throughput, cost", () => {
  const items = smoke(T, T, T);
  test("ttft, tpot, e2e from the last try's sent", () => {
    const ms = (n: number): number => n * 1e6;
    const streamed = {
      scheduled: 0,
      sent: ms(10),
      first_token: ms(30),
      first_output: ms(30),
      last_token: ms(70),
      done: ms(99),
    };
    const cell = oneCell(
      { metrics: ["latency"] },
      items,
      [says(T), says(T), { status: "timeout" }],
      [
        { t_ns: streamed, tokens: { out: 5, source: "server" } },
        { t_ns: { scheduled: 0, sent: ms(10), done: ms(90) } },
      ],
    );
    expect(cell.ttftMs).toMatchObject({ n: 1, p50: 20 });
    expect(cell.tpotMs).toMatchObject({ n: 1, p50: 10 });
    expect(cell.e2eMs).toMatchObject({ n: 2, mean: 70, min: 60, p50: 70, p90: 78, max: 80 });
    expect(cell.e2eMs?.percentiles).toHaveLength(101);
    expect(cell.e2eMs?.flags).toEqual([
      "p95: 2 values, 59 needed",
      "p99: 2 values, 299 needed",
      "censored: 1 timed out and are not in it",
    ]);
    expect(metric(cell, "latency")).toMatchObject({ value: 70, n: 2, unit: "ms" });
  });
  test("reasoning that was not streamed leaves n; one token has no tpot", () => {
    const t_ns = { scheduled: 0, sent: 0, first_token: 1e6, last_token: 9e6, done: 9e6 };
    const silent = {
      t_ns: { ...t_ns, first_output: 1e6 },
      tokens: { out: 10, reasoning: 5, source: "server" },
    };
    const aloud = {
      t_ns: { ...t_ns, first_output: 2e6 },
      tokens: { out: 9, reasoning: 5, source: "server" },
    };
    const single = { t_ns: { ...t_ns, first_output: 1e6 }, tokens: { out: 1, source: "server" } };
    const cell = oneCell({ metrics: [] }, items, [says(T), says(T), says(T)], [silent, aloud, single]);
    expect(cell.tpotMs).toMatchObject({ n: 2, min: 1, max: 2 });
  });
  test("throughput is the sum of the nodes' rates over the time they were busy", () => {
    const on = (id: string, from: number, to: number): object => ({
      node: { id, device_class: "cpu", gpu_uuids: [] },
      t_ns: { scheduled: from * 1e9, sent: from * 1e9, done: to * 1e9 },
    });
    // n1: 2 answered in 2 s (0–1 and 5–6), n2: 1 in 4 s, its failure counts its time: 1 + 0.25.
    const cell = oneCell(
      { metrics: ["throughput"] },
      smoke(T, T, T, T),
      [says(T), says(T), says(T), { status: "oom" }],
      [on("n1", 0, 1), on("n1", 5, 6), on("n2", 0, 2), on("n2", 2, 4)],
    );
    expect(metric(cell, "throughput")).toMatchObject({ value: 1.25, n: 3, unit: "per_s" });
  });
  test("cost by tokens, by GPU hours, and n/a without tokens", () => {
    const model = { id: "m", engine: "openai" as const, model: "m", options: {} };
    const priced = (price: object) => ({ metrics: ["cost"], more: { model: { ...model, price } } });
    const tokens = { tokens: { in: 1000, cached: 400, out: 100, source: "server" } };
    // 600 × 2 + 400 × 0.5 + 100 × 10 = 2400 per million.
    const byToken = oneCell(priced({ in_1m: 2, cached_1m: 0.5, out_1m: 10 }), smoke(T), [says(T)], [tokens]);
    expect(metric(byToken, "cost").value).toBeCloseTo(0.0024, 12);
    expect(metric(oneCell(priced({ in_1m: 2 }), smoke(T), [says(T)]), "cost").reason).toBe(
      "the engine reports no tokens",
    );
    const gpus = { node: { id: "n", device_class: "gpu", gpu_uuids: ["a", "b"] }, ms: 1_800_000 };
    expect(metric(oneCell(priced({ gpu_hour: 3 }), smoke(T), [says(T)], [gpus]), "cost").value).toBe(3);
    const half = { node: { id: "n", device_class: "gpu", gpu_uuids: ["a"], gpu_share: 0.5 }, ms: 1_800_000 };
    expect(metric(oneCell(priced({ gpu_hour: 3 }), smoke(T), [says(T)], [half]), "cost").value).toBe(0.75);
    // Two attempts at once on one node, each with half of a GPU: half an hour of a whole one.
    const both = [half, { ...half, attempt: "1.2" }];
    expect(
      metric(oneCell(priced({ gpu_hour: 3 }), smoke(T, T), [says(T), says(T)], both), "cost").value,
    ).toBe(1.5);
    // A sample that was given up ran nowhere: it costs nothing and is no node's.
    const nowhere = { node: { id: "", device_class: "", gpu_uuids: [] }, ms: 0 };
    const givenUp = oneCell(
      priced({ gpu_hour: 3 }),
      smoke(T, T),
      [says(T), { status: "engine_error" }],
      [gpus, nowhere],
    );
    expect(metric(givenUp, "cost")).toMatchObject({ value: 3, n: 2 });
    expect(metric(oneCell(priced({ gpu_hour: 3 }), smoke(T), [says(T)]), "cost").reason).toMatch(/no GPU/);
  });
});

describe("targets", () => {
  test.each([
    [">= 0.60", true],
    ["> 0.6", false],
    ["<=60%", true],
    ["< 0.5", false],
    ["good", undefined],
  ])("accuracy 0.6 against %s", (target, met) => {
    const metrics = [
      { id: "accuracy", target },
      { id: "cost", target: "< 1" },
      { id: "latency", target: "<= 0.1s" },
    ];
    const cell = oneCell({ metrics }, smoke(T, T, T, T, T), [T, T, T, F, F].map(says));
    expect(metric(cell, "accuracy").target).toEqual({ expression: target, met });
    expect(metric(cell, "cost").target).toEqual({ expression: "< 1", met: undefined });
    expect(metric(cell, "latency").target?.met).toBe(true);
  });
});

/** Three models on the same 60 items in two levels; `rights[m]` says which items model m has right. */
function ladder(
  rights: ((i: number) => boolean)[],
  metrics = ["exact_match", "cer"],
): { plan: Plan; records: ResultRecord[] } {
  const items: Item[] = Array.from({ length: 60 }, (_, i) => {
    return { id: `i${i}`, media: [], target: "ab", level: i < 30 ? "hard" : "easy" };
  });
  const plan = planForTests(
    rights.map((_, m) => ({ model: `m${m}`, prompt: { output: "text" as const }, items: 60, metrics })),
  );
  const records = plan.jobs.flatMap((job, m) =>
    items.map((item, i) => recordForTests(job, i, item, { output: rights[m]?.(i) ? "ab" : "ax" })),
  );
  return { plan, records };
}

describe("comparisons", () => {
  const { plan, records } = ladder([(i) => i < 50, (i) => i < 48 || i === 55, (i) => i < 20]);
  const summary = summarize(plan, records);
  const overall = summary.comparisons.filter((c) => c.level === "" && c.metric === "exact_match");
  test("a clear winner and an honest tie, by McNemar and Holm", () => {
    // m0 50, m1 49: m0 alone has 48 and 49, m1 alone 55: p = 2 (C(3,0) + C(3,1)) / 8 = 1.
    expect(overall[0]).toMatchObject({
      a: "m0",
      b: "m1",
      n: 60,
      aOnly: 2,
      bOnly: 1,
      p: 1,
      pHolm: 1,
      verdict: "tie",
    });
    expect(overall[0]?.difference).toBeCloseTo(1 / 60, 12);
    // m0 against m2: 30 to 0, p = 2 / 2^30; the smallest of three p values but for the tie in size.
    expect(overall[1]).toMatchObject({
      a: "m0",
      b: "m2",
      aOnly: 30,
      bOnly: 0,
      method: "mcnemar-exact",
      verdict: "a",
    });
    expect(overall[1]?.p).toBeCloseTo(2 / 2 ** 30, 15);
    expect(overall[1]?.pHolm).toBeCloseTo(3 * (2 / 2 ** 30), 15);
    expect(overall[2]).toMatchObject({ a: "m1", b: "m2", aOnly: 29, bOnly: 0, verdict: "a" });
    expect(overall[2]?.pHolm).toBeCloseTo(2 * (2 / 2 ** 29), 15);
  });
  test("a difference has an interval over the pairs; where all agree, of what n items can show", () => {
    const { lo = 0, hi = 0, method } = overall[1]?.interval ?? {};
    expect([lo < 0.5, hi > 0.5, lo > 0.3, hi < 0.7, method]).toEqual([T, T, T, T, "cluster-bootstrap"]);
    const same = ladder([(i) => i < 50, (i) => i < 50]);
    const [equal] = summarize(same.plan, same.records).comparisons;
    // Wilson's upper bound for none of 60: z² ÷ (60 + z²).
    const bound = 3.8414588 / 63.8414588;
    expect(equal?.interval).toEqual({
      ...{ lo: expect.closeTo(-bound, 8), hi: expect.closeTo(bound, 8), method: "wilson" },
    });
  });
  test("ranks are 1 + the number significantly better", () => {
    expect(summary.cells.map((cell) => cell.ranks)).toEqual([
      [
        { metric: "exact_match", rank: 1 },
        { metric: "cer", rank: 1 },
      ],
      [
        { metric: "exact_match", rank: 1 },
        { metric: "cer", rank: 1 },
      ],
      [
        { metric: "exact_match", rank: 3 },
        { metric: "cer", rank: 3 },
      ],
    ]);
  });
  test("levels in item order, compared for the primary metric only", () => {
    expect(summary.cells[0]?.levels.map(({ level, n }) => [level, n])).toEqual([
      ["hard", 30],
      ["easy", 30],
    ]);
    expect(summary.cells[0]?.levels[1]?.metrics[0]).toMatchObject({
      id: "exact_match",
      value: 20 / 30,
      n: 30,
    });
    const levels = summary.comparisons.filter((c) => c.level !== "");
    expect(levels.map(({ level, metric: m, n }) => [level, m, n])).toEqual(
      ["hard", "easy"].flatMap((level) => Array(3).fill([level, "exact_match", 30])),
    );
  });
  test("lower is better for cer, and it is compared by sign flips", () => {
    const cer = summary.comparisons.find((c) => c.metric === "cer" && c.b === "m2");
    expect(cer).toMatchObject({ a: "m0", verdict: "a", method: "sign-flip", aOnly: 30, bOnly: 0 });
    expect(cer?.difference).toBeCloseTo(-0.25, 12);
  });
  test("a failure loses its pair; cancelled and missing samples leave it", () => {
    const changed = records
      .map((r) => (r.job === "j0000" && r.ordinal === 0 ? { ...r, status: "cancelled" as const } : r))
      .filter((r) => !(r.job === "j0001" && r.ordinal === 1));
    const [first, second] = summarize(plan, changed).comparisons;
    expect([first?.n, second?.n]).toEqual([58, 59]);
  });
  test("pairs with different truths are not compared, and that is said", () => {
    const changed = records.map((r) => (r.job === "j0002" ? { ...r, target_sha: "other" } : r));
    const result = summarize(plan, changed);
    expect(result.comparisons.some((c) => c.b === "m2")).toBe(false);
    expect(result.warnings).toContain("p × d: 120 pairs have different truths, not compared");
  });
  test("rows in clusters are compared by sign flips over the clusters", () => {
    const clustered = records.map((r) => ({ ...r, cluster_id: `c${r.ordinal % 6}` }));
    const first = summarize(plan, clustered).comparisons[1];
    // m0 leads in all 6 clusters: only all-plus and all-minus of 64 sign patterns are as large.
    expect(first).toMatchObject({ method: "sign-flip", n: 60, p: 2 / 64 });
  });
  test("F1 is compared though no sample has one", () => {
    const items = smoke(...Array.from({ length: 40 }, (_, i) => i % 2 === 0));
    const f1 = planForTests(["good", "poor"].map((model) => ({ model, items: 40, metrics: ["f1_score"] })));
    const all = f1.jobs.flatMap((job, m) =>
      items.map((item, i) => recordForTests(job, i, item, says(m === 0 ? i % 2 === 0 : i % 3 === 0))),
    );
    const [comparison] = summarize(f1, all).comparisons;
    expect(comparison).toMatchObject({
      a: "good",
      metric: "f1_score",
      verdict: "a",
      method: "sign-flip",
      n: 40,
    });
  });
});

describe("records in any order, any number of times", () => {
  test("the summary is that of the set", () => {
    const { plan, records } = ladder([(i) => i % 3 > 0, (i) => i % 2 > 0]);
    // Another attempt of a sample that already counts, with another result.
    const again = records
      .slice(0, 40)
      .map((r) => ({ ...r, attempt: "1.10", scores: { exact_match: 0, cer: 9 } }));
    const want = JSON.stringify(summarize(plan, records));
    fc.assert(
      fc.property(fc.shuffledSubarray([...records, ...again], { minLength: 160 }), (shuffled) => {
        expect(JSON.stringify(summarize(plan, [...shuffled, ...records.slice(0, 5)]))).toBe(want);
      }),
      { numRuns: 5 },
    );
  });
  test("asking while records arrive changes nothing", () => {
    const items: Item[] = [0, 1, 2].map((i) => ({ id: `i${i}`, media: [], group: "g" }));
    const plan = planForTests([{ items: 3, metrics: ["resolution_consistency"] }]);
    const [job] = plan.jobs;
    if (job === undefined) throw new Error();
    const records = items.map((item, i) =>
      recordForTests(job, i, item, { output: `{"objects": ["a", "b${i}"]}` }),
    );
    const aggregate = createAggregate(plan);
    for (const record of records.toReversed()) {
      aggregate.add(record);
      aggregate.summary(META);
    }
    expect(aggregate.summary(META)).toEqual(summarize(plan, records));
    expect(aggregate.summary(META).cells[0]?.metrics[0]).toMatchObject({ n: 2, value: 1 / 3 });
    // An earlier attempt cancelled the first one: the second becomes what the third is held against.
    const [first] = records;
    if (first === undefined) throw new Error();
    aggregate.add({ ...first, attempt: "0.1", status: "cancelled" });
    expect(aggregate.summary(META).cells[0]?.metrics[0]).toMatchObject({ n: 1, value: 1 / 3 });
  });
  test("records of other campaigns, jobs and ordinals are left out, and that is said", () => {
    const { plan, records } = ladder([() => true]);
    const [one] = records;
    if (one === undefined) throw new Error();
    const odd = [{ campaign: "c2" }, { job: "j9" }, { ordinal: 60 }].map((change, i) => {
      return { ...one, ...change, record_id: `odd ${i}` };
    });
    const summary = summarize(plan, [...records, ...odd]);
    expect(summary.cells[0]?.counts).toMatchObject({ ok: 60, notRun: 0 });
    expect(summary.warnings).toContain("3 records of no sample of the plan");
  });
});

test("flags, not-applied keys, nodes, engine, simulation and warnings", () => {
  const plan = planForTests([
    {
      items: 2,
      metrics: ["accuracy"],
      more: { model: { id: "m", engine: "simulated", model: "m", options: {} } },
    },
  ]);
  const [job] = plan.jobs;
  if (job === undefined) throw new Error();
  const flags = ["truncated", "not_applied:top_k", "not_applied:num_gpu"];
  const tokens = { in: 100, cached: 11, out: 1, source: "server" as const };
  const model = { id: "m", digest: "sha256:1" };
  const records = [
    recordForTests(job, 0, itemAt(smoke(T, F), 0), says(T), { flags, tokens, model, ms: 50 }),
    recordForTests(
      job,
      1,
      itemAt(smoke(T, F), 1),
      { status: "timeout" },
      { flags: ["not_applied:top_k"], scores: {} },
    ),
  ];
  const summary = summarize(plan, records);
  expect(summary).toMatchObject({
    campaignId: "c1",
    state: "done",
    createdAt: "t0",
    endedAt: "t1",
    suiteSha256: "s",
    planSha256: "p",
    simulated: true,
    nodes: [{ node: "n1", samples: 2, e2eP50Ms: 50 }],
  });
  expect(summary.cells[0]).toMatchObject({
    simulated: true,
    engine: "simulated",
    engineVersion: "1",
    modelDigest: "sha256:1",
    notApplied: ["num_gpu", "top_k"],
    flags: { truncated: 1 },
  });
  expect(summary.warnings).toEqual([
    "m × p × d: 1 sample timed out; the latency percentiles are censored",
    "m × p × d: 1 answer cut off at max_tokens",
    "m × p × d: 11 % of the input tokens came from the server's prefix cache",
    "m × p × d: 1 failed sample without scores could not be counted as wrong",
    "only 2 items; the intervals are wide",
  ]);
});

test("values stay within their bounds and intervals hold them, whatever happened", () => {
  const random = seededRandom(20);
  const status = fc.constantFrom<Given>(
    says(T),
    says(F),
    { output: "x" },
    { status: "oom" },
    { status: "cancelled" },
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), status), { minLength: 1, maxLength: 12 }), (rows) => {
      const items = smoke(...rows.map(([label]) => label)).map((item) => {
        return { ...item, cluster: `c${Math.floor(random() * 5)}` };
      });
      const job = { prompt: { fields: { has_smoke: "has_smoke" } }, metrics: BINARY };
      const cell = oneCell(
        job,
        items,
        rows.map(([, given]) => given),
      );
      const measured = rows.filter(
        ([, given]) => !("status" in given) || given.status !== "cancelled",
      ).length;
      for (const { value, interval, n, reason } of cell.metrics) {
        expect(value === undefined).toBe(reason !== "");
        expect(n).toBeLessThanOrEqual(measured);
        if (value === undefined) continue;
        expect(value >= 0 && value <= 1).toBe(true);
        if (interval) expect(interval.lo <= value + 1e-9 && value <= interval.hi + 1e-9).toBe(true);
      }
    }),
    { numRuns: 30 },
  );
});

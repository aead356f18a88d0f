import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Item } from "./item.js";
import type { Json } from "./json.js";
import type { PromptSpec } from "./plan.js";
import { scoreSample } from "./score.js";
import { iou } from "./scoring/boxes.js";
import { countAccuracy } from "./scoring/objects.js";
import { editDistance } from "./scoring/texts.js";

function prompt(more: Partial<PromptSpec> = {}): PromptSpec {
  const base = { id: "p", name: "p", description: "", version: "1", template: "", sha256: "" };
  return { ...base, output: "json", fields: {}, tags: [], useCases: [], ...more };
}
const settings = { iouThreshold: 0.5, confidenceThreshold: 0.5, includeRawResponses: true };
const job = (more: Partial<PromptSpec> = {}, confidenceThreshold = 0.5) => ({
  prompt: prompt(more),
  test: { ...settings, confidenceThreshold },
  metrics: [{ id: "accuracy" }],
});
const item = (truth?: Json, target?: string): Item => ({
  id: "i",
  media: [],
  ...(truth === undefined ? {} : { truth }),
  ...(target === undefined ? {} : { target }),
});
const scores = (truth: Json, answer: Json | undefined, threshold = 0.5) =>
  scoreSample(job({}, threshold), item(truth), answer === undefined ? undefined : JSON.stringify(answer))
    .scores;

describe("the label", () => {
  test("has_smoke decides, unless there is a P(smoke)", () => {
    expect(scores({ has_smoke: true }, { has_smoke: true })).toMatchObject({ label_true: 1, label_pred: 1 });
    expect(scores({ has_smoke: true }, { has_smoke: "no" })).toMatchObject({ label_pred: 0 });
    expect(scores({ has_smoke: false }, { has_smoke: false, p_smoke: 0.5 })).toMatchObject({ label_pred: 1 });
    expect(scores({ has_smoke: false }, { has_smoke: true, p_smoke: 0.69 }, 0.7)).toMatchObject({
      label_pred: 0,
    });
    expect(scores({ has_smoke: true }, { has_smoke: true, p_smoke: 85 })).toMatchObject({ label_pred: 1 });
  });
  test("failed and unparsed samples keep the truth and have no prediction", () => {
    const failed = scoreSample(job(), item({ has_smoke: true, bbox: [0.5, 0.5, 0.2, 0.2] }), undefined);
    expect(failed).toEqual({
      status: "unscored",
      scores: { label_true: 1, bbox_true: 1, bbox_iou: 0, bbox_hit: 0 },
    });
    const unparsed = scoreSample(job(), item({ has_smoke: false }), "no idea");
    expect(unparsed).toEqual({
      status: "parse_error",
      scores: { label_true: 0, bbox_true: 0 },
      error: { class: "parse_error", message: "no JSON object in the answer" },
    });
  });
  test("without truth there is no score", () => {
    expect(scores({}, { has_smoke: true })).toEqual({});
    expect(scoreSample(job(), item(), '{"has_smoke": true}').scores).toEqual({});
    expect(scores({ has_smoke: "perhaps" }, { has_smoke: true })).toEqual({});
  });
});

describe("the box", () => {
  const truth = { has_smoke: true, bbox: [0.5, 0.5, 0.4, 0.4] };
  test.each<[string, Json, object]>([
    ["the same", [0.5, 0.5, 0.4, 0.4], { bbox_iou: 1, bbox_hit: 1 }],
    // 0.2 × 0.4 shared of 0.16 + 0.16 − 0.08: a third.
    ["half to the right", [0.7, 0.5, 0.4, 0.4], { bbox_iou: 1 / 3, bbox_hit: 0 }],
    // 0.04 inside 0.16: a quarter.
    ["inside", [0.5, 0.5, 0.2, 0.2], { bbox_iou: 0.25, bbox_hit: 0 }],
    ["apart", [0.1, 0.1, 0.1, 0.1], { bbox_iou: 0, bbox_hit: 0 }],
    ["null", null, { bbox_pred: 0, bbox_iou: 0, bbox_hit: 0 }],
    ["of no area", [0.5, 0.5, 0, 0.4], { bbox_pred: 0, bbox_iou: 0, bbox_hit: 0 }],
    ["of three numbers", [0.5, 0.5, 0.1], { bbox_pred: 0, bbox_iou: 0, bbox_hit: 0 }],
    ["as texts", ["0.5", "0.5", "0.4", "0.4"], { bbox_pred: 1, bbox_hit: 1 }],
  ])("%s", (_, bbox, want) => {
    const got = scores(truth, { has_smoke: true, bbox });
    for (const [name, value] of Object.entries(want)) expect(got[name], name).toBeCloseTo(value, 12);
    expect(got["bbox_true"]).toBe(1);
  });
  test("smoke-free pictures have no IoU, and a box on them counts as given", () => {
    const got = scores({ has_smoke: false }, { has_smoke: true, bbox: [0.5, 0.5, 0.2, 0.2] });
    expect(got).toEqual({ label_true: 0, label_pred: 1, bbox_true: 0, bbox_pred: 1 });
  });
  test("smoke without a true box says nothing about boxes", () => {
    expect(scores({ has_smoke: true }, { has_smoke: true, bbox: [0.5, 0.5, 0.2, 0.2] })).toEqual({
      label_true: 1,
      label_pred: 1,
    });
  });
});

describe("what is seen", () => {
  const truth = {
    objects: [{ name: "coffee_cup" }, { name: "Laptop" }, { name: "plant" }],
    total_objects: 4,
    colors: { black: 4, white: 2 },
    materials: { plastic: 2, metal: 0 },
    spatial_relationships: [
      { object1: "cup", relationship: "left_of", object2: "laptop" },
      { object1: "plant", relationship: "above", object2: "laptop" },
    ],
    text_visible: [{ location: "shirt", text: "x" }],
  };
  const answer = {
    // {coffee cup, laptop} of {coffee cup, laptop, plant, mouse}: 2 / 4.
    objects: [{ name: "Coffee Cup" }, "laptop", { name: "mouse" }],
    // 1 − |5 − 4| / 4.
    total_objects: "5",
    // black 1 − 1/4, white missing 0: mean 0.375.
    colors: { Black: ["a", "b", "c"] },
    // plastic 1 − 1/2, metal 0 of 0: 1; mean 0.75.
    materials: { plastic: 3 },
    // 1 of 3.
    spatial_relationships: [
      { object1: "Cup", relationship: "left of", object2: "laptop" },
      { object1: "plant", relationship: "below", object2: "laptop" },
    ],
    text_found: true,
  };
  const want = {
    object_detection_accuracy: 0.5,
    counting_accuracy: 0.75,
    color_accuracy: 0.375,
    material_recognition_accuracy: 0.75,
    spatial_accuracy: 1 / 3,
    text_recognition_accuracy: 1,
    comprehensive_score: (0.5 + 0.75 + 0.375 + 0.75 + 1 / 3 + 1) / 6,
  };
  test("by hand", () => {
    const got = scores(truth, answer);
    for (const [name, value] of Object.entries(want)) expect(got[name], name).toBeCloseTo(value, 12);
  });
  test("a failed sample scores 0 in each, an answer without the field too", () => {
    const zeros = Object.fromEntries(Object.keys(want).map((name) => [name, 0]));
    expect(scores(truth, undefined)).toEqual(zeros);
    // A metal count of 0 in the truth is right only if the answer has materials at all.
    expect(scores(truth, { has_smoke: 1 })).toEqual(zeros);
  });
  test("the mean of the six needs the truth for all six", () => {
    const { text_visible: _, ...five } = truth;
    expect(scores(five, answer)).not.toHaveProperty("comprehensive_score");
    expect(scores(five, answer)).not.toHaveProperty("text_recognition_accuracy");
  });
  test("no text there and none found is right", () => {
    expect(scores({ text_visible: [] }, { text_found: false })).toEqual({ text_recognition_accuracy: 1 });
    expect(scores({ text_visible: [] }, { text_found: true })).toEqual({ text_recognition_accuracy: 0 });
  });
  test("counting nothing", () => {
    expect([
      countAccuracy(0, 0),
      countAccuracy(1, 0),
      countAccuracy(9, 4),
      countAccuracy(undefined, 0),
    ]).toEqual([1, 0, 0, 0]);
  });
});

describe("targets", () => {
  const ocr = job({ output: "text" });
  test("text: exact match, contains, cer, anls", () => {
    // One substitution and two deletions in 9 code points; ANLS 1 − 3 / 9.
    expect(scoreSample(ocr, item(undefined, "red fox 7"), "rad fox\n").scores).toEqual({
      exact_match: 0,
      contains: 0,
      cer: expect.closeTo(3 / 9),
      anls: expect.closeTo(1 - 3 / 9),
    });
    expect(scoreSample(ocr, item(undefined, "red fox 7"), " red fox 7\n").scores).toEqual({
      exact_match: 1,
      contains: 1,
      cer: 0,
      anls: 1,
    });
  });
  test("an empty answer has a cer of 1, a long one may pass it, half wrong is no similarity", () => {
    expect(scoreSample(ocr, item(undefined, "ab"), "").scores).toMatchObject({ cer: 1, anls: 0 });
    expect(scoreSample(ocr, item(undefined, "ab"), "xyzuvw").scores).toMatchObject({ cer: 3, anls: 0 });
    expect(scoreSample(ocr, item(undefined, "ab"), "AX").scores).toMatchObject({ anls: 0 });
  });
  test("no answer is wrong", () => {
    const none = { exact_match: 0, contains: 0, cer: 1, anls: 0 };
    expect(scoreSample(ocr, item(undefined, "ab"), undefined).scores).toEqual(none);
    const gsm = job({ output: "text", answer: { extract: ["#### (\\S+)"], normalize: [], type: "number" } });
    expect(scoreSample(gsm, item(undefined, "18"), "I think 18").scores).toEqual(none);
    expect(scoreSample(gsm, item(undefined, "1,018"), "so\n#### 1018.0")).toMatchObject({
      status: "ok",
      parseMode: "extracted",
      parsed: { answer: 1018 },
      scores: { exact_match: 1 },
    });
  });
  test("an empty target has no error rate", () => {
    expect(scoreSample(ocr, item(undefined, ""), "x").scores).not.toHaveProperty("cer");
    expect(scoreSample(ocr, item(undefined, ""), "").scores).toMatchObject({ exact_match: 1 });
  });
  test("code points, not UTF-16 units, and composed characters", () => {
    expect(scoreSample(ocr, item(undefined, "a😀"), "a").scores["cer"]).toBe(0.5);
    expect(scoreSample(ocr, item(undefined, "é"), "e\u0301").scores["exact_match"]).toBe(1);
  });
  test("choices, json and json fields", () => {
    const choice = job({ output: "text", answer: { extract: [], normalize: [], type: "choice" } });
    expect(scoreSample(choice, item(undefined, "B"), "(b)").scores["exact_match"]).toBe(1);
    const json = job({ output: "text", answer: { extract: [], normalize: [], type: "json" } });
    expect(
      scoreSample(json, item(undefined, '{"a": 1, "b": 2}'), "{'b': 2, 'a': 1}").scores["exact_match"],
    ).toBe(1);
    expect(scoreSample(job(), item(undefined, "42"), '{"answer": 42}').scores["exact_match"]).toBe(1);
  });
});

describe("edit distance", () => {
  test.each([
    ["kitten", "sitting", 3],
    ["", "abc", 3],
    ["flaw", "lawn", 2],
    ["abcdef", "azced", 3],
  ])("%s %s", (a, b, want) => {
    expect(editDistance(a, b)).toBe(want);
  });
  /** The textbook recursion. */
  function slow(a: string[], b: string[]): number {
    const [x, y] = [a[0], b[0]];
    if (x === undefined || y === undefined) return a.length + b.length;
    if (x === y) return slow(a.slice(1), b.slice(1));
    return 1 + Math.min(slow(a.slice(1), b), slow(a, b.slice(1)), slow(a.slice(1), b.slice(1)));
  }
  test("as the textbook has it", () => {
    const text = fc.array(fc.constantFrom("a", "b", "😀"), { maxLength: 6 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(editDistance(a.join(""), b.join(""))).toBe(slow(a, b));
      }),
    );
  });
});

test("overlap is symmetric and between 0 and 1", () => {
  const side = fc.integer({ min: 1, max: 1000 }).map((n) => n / 1000);
  const box = fc.record({ xc: side, yc: side, w: side, h: side });
  fc.assert(
    fc.property(box, box, (a, b) => {
      expect(iou(a, b)).toBeCloseTo(iou(b, a), 9);
      expect(iou(a, b) >= 0 && iou(a, b) <= 1 + 1e-9).toBe(true);
      expect(iou(a, a)).toBeCloseTo(1, 9);
    }),
  );
});

test("a truth with a count below zero, which nothing has, scores within bounds", () => {
  const counted = item({ colors: { red: -5e-324, blue: -2 } });
  const { scores } = scoreSample(job(), counted, JSON.stringify({ colors: { red: -8e-16, blue: -2 } }));
  expect(scores["color_accuracy"]).toBe(0.5);
});

test("no truth and no output make scoring throw or give a number that is none", () => {
  const field = fc.constantFrom(
    "has_smoke",
    "bbox",
    "objects",
    "colors",
    "total_objects",
    "text_visible",
    "answer",
  );
  const any = fc.dictionary(field, fc.jsonValue());
  fc.assert(
    fc.property(any, any, fc.option(fc.string(), { nil: undefined }), (truth, answer, target) => {
      const got = scoreSample(job(), item(truth as Json, target), JSON.stringify(answer));
      for (const value of Object.values(got.scores)) expect(Number.isFinite(value)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

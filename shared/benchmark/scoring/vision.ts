/**
 * Scores of what is seen in a picture, one per metric, named as the metric. Each stands wherever the item has the
 * truth for it; an answer that lacks the field, or no answer at all, scores 0. `comprehensive_score` is the mean of
 * the six and stands only where the truth has all of them.
 */
import { toBoolean, toNumber } from "../expression-values.js";
import type { Json } from "../json.js";
import type { Fields } from "../parse-fields.js";
import {
  countAccuracy,
  countsAccuracy,
  countsByKey,
  jaccard,
  objectNames,
  relationTriples,
} from "./objects.js";
import type { Scores } from "./scores.js";

type Scorer = (truth: Fields, answer: Fields) => number | undefined;

export function visionScores(truth: Fields, answer: Fields | undefined): Scores {
  const scores: Scores = {};
  for (const [metric, scorer] of Object.entries(THE_SIX)) {
    const score = scorer(truth, answer ?? {});
    if (score !== undefined) scores[metric] = answer === undefined ? 0 : score;
  }
  const values = Object.values(scores);
  if (values.length === Object.keys(THE_SIX).length) {
    scores["comprehensive_score"] = values.reduce((a, b) => a + b, 0) / values.length;
  }
  return scores;
}

const THE_SIX: { readonly [metric: string]: Scorer } = {
  object_detection_accuracy: (truth, answer) => {
    return overlap(objectNames(truth["objects"]), objectNames(answer["objects"]));
  },
  counting_accuracy: (truth, answer) => {
    const total = toNumber(truth["total_objects"]);
    return total === null ? undefined : countAccuracy(toNumber(answer["total_objects"]) ?? undefined, total);
  },
  color_accuracy: (truth, answer) => countsPerKey(truth["colors"], answer["colors"]),
  material_recognition_accuracy: (truth, answer) => countsPerKey(truth["materials"], answer["materials"]),
  spatial_accuracy: (truth, answer) => {
    const [want, got] = [truth, answer].map((f) =>
      relationTriples(f["spatial_relationships"] ?? f["relationships"]),
    );
    return overlap(want, got);
  },
  text_recognition_accuracy: (truth, answer) => {
    const visible = textIsVisible(truth);
    return visible === undefined ? undefined : Number(toBoolean(answer["text_found"]) === visible);
  },
};

function overlap(want: Set<string> | undefined, got: Set<string> | undefined): number | undefined {
  return want && (got === undefined ? 0 : jaccard(want, got));
}

function countsPerKey(truth: Json | undefined, answer: Json | undefined): number | undefined {
  const want = countsByKey(truth);
  return want === undefined || want.size === 0 ? undefined : countsAccuracy(countsByKey(answer), want);
}

/** Whether the truth has visible text: a list of it, or text_found itself. */
function textIsVisible(truth: Fields): boolean | undefined {
  const list = truth["text_visible"] ?? truth["text_items"];
  return Array.isArray(list) ? list.length > 0 : (toBoolean(truth["text_found"]) ?? undefined);
}

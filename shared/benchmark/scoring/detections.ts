/**
 * Boxes with scores against the true boxes of one picture, for average precision. Matching is within a picture, so it
 * is done beside the model, and the record carries what matched; pooling is the aggregate's part.
 *
 * As COCO does it (pycocotools): per label, boxes in falling order of score, at most 100, each takes the true box that
 * nobody has yet and that it overlaps most, if by at least 0.5.
 */
import { toBoolean, toNumber } from "../expression-values.js";
import type { Json } from "../json.js";
import type { Fields } from "../parse-fields.js";
import { type Box, iou, readBox } from "./boxes.js";
import { normalName } from "./objects.js";

/** What one answer found of one label. */
export interface Detection {
  /** "" where boxes have none. */
  label: string;
  /** True boxes. */
  truths: number;
  /** Score and whether it is a true box, in falling order of score; a box without a score has none. */
  found: { score?: number; hit: boolean }[];
}

const LEAST_OVERLAP = 0.5;
const MOST_BOXES = 100;

/** Per label; undefined if the item has no truth about boxes. `answer` is undefined if there is none. */
export function detections(truth: Fields, answer: Fields | undefined): Detection[] | undefined {
  const want = trueBoxes(truth);
  if (want === undefined) return undefined;
  const got = answer === undefined ? [] : answeredBoxes(answer);
  const labels = new Set([...want, ...got].map(({ label }) => label));
  return [...labels].sort().map((label) => {
    const of = (boxes: readonly Labelled[]): Labelled[] => boxes.filter((box) => box.label === label);
    return { label, truths: of(want).length, found: match(of(want), of(got)) };
  });
}

export interface Labelled {
  /** "" where boxes have none. */
  label: string;
  box: Box;
  score?: number;
}

/** `boxes`, or the one `bbox`; none where the item is said to have no smoke, undefined where nothing is said. */
export function trueBoxes(truth: Fields): Labelled[] | undefined {
  if (Array.isArray(truth["boxes"])) return truth["boxes"].flatMap(labelled);
  if (toBoolean(truth["has_smoke"]) === false) return [];
  const box = readBox(truth["bbox"]);
  return box === undefined ? undefined : [{ label: "", box }];
}

/** `boxes`, or the one `bbox` with `score`, else with P(smoke), as its score. */
export function answeredBoxes(answer: Fields): Labelled[] {
  if (Array.isArray(answer["boxes"])) return answer["boxes"].flatMap(labelled);
  const box = readBox(answer["bbox"]);
  if (box === undefined) return [];
  return [{ label: "", box, ...scoreOf(toNumber(answer["score"]) ?? toNumber(answer["p_smoke"])) }];
}

/** `{bbox, score, label}`, a box alone, or nothing if it is none. */
function labelled(entry: Json): Labelled[] {
  if (entry === null || typeof entry !== "object") return [];
  const fields: Fields = Array.isArray(entry) ? { bbox: entry } : entry;
  const box = readBox(fields["bbox"]);
  if (box === undefined) return [];
  const label = typeof fields["label"] === "string" ? normalName(fields["label"]) : "";
  return [{ label, box, ...scoreOf(toNumber(fields["score"]) ?? toNumber(fields["confidence"])) }];
}

const scoreOf = (score: number | null): { score?: number } => (score === null ? {} : { score });

function match(want: readonly Labelled[], got: readonly Labelled[]): Detection["found"] {
  const free = new Set(want);
  const byScore = got.toSorted((a, b) => (b.score ?? 0) - (a.score ?? 0)).slice(0, MOST_BOXES);
  return byScore.map(({ box, score }) => {
    let [best, most]: [Labelled | undefined, number] = [undefined, LEAST_OVERLAP];
    for (const truth of free) {
      const overlap = iou(box, truth.box);
      if (overlap >= most) [best, most] = [truth, overlap];
    }
    if (best !== undefined) free.delete(best);
    return { ...(score === undefined ? {} : { score }), hit: best !== undefined };
  });
}

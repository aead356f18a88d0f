/**
 * Truth that contradicts itself makes scores that mean nothing; it is reported, never repaired. Real files count 15
 * objects in total while the counts of their objects add up to 17.
 */
import type { FindingList } from "../benchmark/finding.js";
import type { Item } from "../benchmark/item.js";
import type { Json } from "../benchmark/json.js";
import type { DatasetSpec } from "../benchmark/suite/suite-types.js";
import { isObject } from "./row.js";

/** Where the kinds of one object are counted, and the object's own key for it. */
const TALLIES = [
  { totals: "categories", key: "category" },
  { totals: "colors", key: "color" },
  { totals: "sizes", key: "size" },
  { totals: "shapes", key: "shape" },
] as const;

/** One warning per item that lists every contradiction in its truth. */
export function checkTruth(item: Item, spec: DatasetSpec, findings: FindingList): void {
  if (!isObject(item.truth)) return;
  const { truth } = item;
  const problems = isBoxProblem(truth["bbox"])
    ? [`bbox ${JSON.stringify(truth["bbox"])} is no [xc, yc, w, h] of 0 to 1`]
    : [];
  const total = truth["total_objects"];
  const objects = Array.isArray(truth["objects"]) ? truth["objects"].filter(isObject) : [];
  const counted = objects.reduce((sum, object) => sum + countOf(object), 0);
  if (typeof total === "number" && objects.length > 0 && counted !== total) {
    problems.push(`total_objects is ${total}, the counts of its objects add up to ${counted}`);
  }
  for (const { totals, key } of TALLIES) {
    const tally = truth[totals];
    if (!isObject(tally)) continue;
    const sum = Object.values(tally).reduce(
      (acc: number, value) => acc + (typeof value === "number" ? value : 0),
      0,
    );
    if (typeof total === "number" && sum !== total)
      problems.push(`${totals} add up to ${sum}, total_objects is ${total}`);
    problems.push(...differences(totals, key, tally, objects));
  }
  if (problems.length > 0) {
    findings.warning(
      spec.field,
      `item ${item.id}: its truth contradicts itself: ${problems.join("; ")}`,
      "scored as written",
    );
  }
}

/** Kinds whose number in the tally is neither that of the objects nor that of their counts. */
function differences(
  totals: string,
  key: string,
  tally: { [key: string]: Json },
  objects: { [key: string]: Json }[],
): string[] {
  if (objects.length === 0 || objects.some((object) => typeof object[key] !== "string")) return [];
  const kinds = new Set([...Object.keys(tally), ...objects.map((object) => String(object[key]))]);
  return [...kinds].flatMap((kind) => {
    const those = objects.filter((object) => object[key] === kind);
    const said = Object.hasOwn(tally, kind) ? tally[kind] : 0;
    const counted = those.reduce((sum, object) => sum + countOf(object), 0);
    if (said === those.length || said === counted) return [];
    const found = counted === those.length ? `${counted}` : `${those.length} (${counted} by their counts)`;
    return [`${totals}.${kind} is ${JSON.stringify(said)}, its objects make ${found}`];
  });
}

const countOf = (object: { [key: string]: Json }): number =>
  typeof object["count"] === "number" && object["count"] >= 0 ? object["count"] : 1;

function isBoxProblem(box: Json | undefined): boolean {
  if (box === undefined || box === null) return false;
  return (
    !Array.isArray(box) ||
    box.length !== 4 ||
    !box.every((value) => typeof value === "number" && value >= 0 && value <= 1)
  );
}

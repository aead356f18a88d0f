/**
 * Rows become items. A row is an object in one of the shapes met in the wild:
 *
 *   {images: […], ground_truth, sequence_id?, image_id?, resolution?}    {input, target}    any columns at all
 *
 * Columns with a meaning of their own go to the item's fields; the others become variables for templates. The column of
 * the expected answer is not among them, so that no template shows it by accident.
 */
import type { FindingList } from "../benchmark/finding.js";
import type { Item } from "../benchmark/item.js";
import type { Json } from "../benchmark/json.js";
import { extractFirst } from "../benchmark/patterns.js";
import type { DatasetSpec } from "../benchmark/suite/suite-types.js";

export interface Row {
  value: Json;
  /** Position in the source, from 0. */
  ordinal: number;
  /** For messages, such as `data/qa.jsonl line 3`. */
  place: string;
}

export interface ReadRow {
  /** Without its pictures. */
  item: Item;
  /** Names of its pictures, in order. */
  images: string[];
  /** The id names the picture, and several questions may be asked about one. */
  idIsImage: boolean;
  /** The resolution the source claims, such as `640x427`. */
  labelled?: string;
}

const OWN_COLUMNS = [
  "id",
  "image_id",
  "input",
  "target",
  "truth",
  "ground_truth",
  "images",
  "image",
  "level",
  "group",
  "cluster",
  "resolution",
  "vars",
];

/** Reads the rows of one dataset; a malformed row is an error, naming its place, and gives undefined. */
export function rowReader(spec: DatasetSpec, findings: FindingList): (row: Row) => ReadRow | undefined {
  return (row) => {
    const problem = (message: string): undefined => {
      findings.error(spec.field, `${row.place}: ${message}`);
    };
    const { value } = row;
    if (!isObject(value)) return problem("not an object");
    const id = rowId(row);
    if (id.length > 256) return problem("the item id is longer than 256 characters");
    const images = imagesOf(value);
    if (typeof images === "string") return problem(images);
    const input = value["input"];
    if (input !== undefined && input !== null && !isScalar(input)) return problem("`input` is not a text");
    const target = targetOf(spec, value);
    if ("problem" in target) return problem(target.problem);

    const item: Item = { id, media: [] };
    if (isScalar(input)) item.input = String(input);
    const vars = varsOf(spec, value);
    if (Object.keys(vars).length > 0) item.vars = vars;
    const truth = value["ground_truth"] ?? value["truth"];
    if (truth !== undefined && truth !== null) item.truth = truth;
    if (target.text !== undefined) item.target = target.text;
    const level = label(value["level"]);
    if (level !== undefined) item.level = level;
    const group = groupOf(value);
    if (group !== undefined) item.group = group;
    const cluster = clusterOf(spec, value);
    if (spec.clusterBy !== undefined && cluster === undefined) {
      return problem(`there is no column ${JSON.stringify(spec.clusterBy)} to cluster by`);
    }
    if (cluster !== undefined) item.cluster = cluster;
    const labelled = label(value["resolution"]);
    const idIsImage = label(value["id"]) === undefined && label(value["image_id"]) !== undefined;
    return { item, images, idIsImage, ...(labelled !== undefined && { labelled }) };
  };
}

/** The id of a row's item: its own, its picture's, or its place. */
export function rowId({ value, ordinal }: Row): string {
  const own = isObject(value) ? (label(value["id"]) ?? label(value["image_id"])) : undefined;
  return own ?? String(ordinal);
}

/** The value at a path such as `answer` or `meta.answers[0]`; a column of exactly that name goes first. */
export function valueAt(value: Json, path: string): Json | undefined {
  if (isObject(value) && Object.hasOwn(value, path)) return value[path];
  let at: Json | undefined = value;
  for (const step of path.split(/[.[\]]+/).filter((part) => part !== "")) {
    if (Array.isArray(at)) at = at[Number(step)];
    else if (isObject(at) && Object.hasOwn(at, step)) at = at[step];
    else return undefined;
  }
  return at;
}

function targetOf(spec: DatasetSpec, row: { [key: string]: Json }): { text?: string } | { problem: string } {
  const path = spec.target?.path ?? "target";
  const value = valueAt(row, path);
  if (value === undefined || value === null) {
    return spec.target ? { problem: `there is no ${JSON.stringify(path)} for the target` } : {};
  }
  const whole = isScalar(value) ? String(value) : JSON.stringify(value);
  if (spec.target?.extract === undefined) return { text: whole };
  const text = extractFirst(spec.target.extract, whole);
  if (text !== undefined) return { text };
  return {
    problem: `the target pattern ${JSON.stringify(spec.target.extract)} does not match ${JSON.stringify(whole.slice(-60))}`,
  };
}

/** A list of names, one name, or (in tables) names separated by semicolons; or what is wrong. */
function imagesOf(row: { [key: string]: Json }): string[] | string {
  const value = row["images"] ?? row["image"];
  if (value === undefined || value === null || value === "") return [];
  const list = typeof value === "string" ? value.split(";").map((name) => name.trim()) : value;
  if (!Array.isArray(list)) return "`images` is not a list";
  const names = list.filter((name) => typeof name === "string" && name !== "");
  if (names.length < list.length) return "`images` has an entry that is not a path";
  const remote = names.find((name) => /^([a-z][a-z0-9+.-]*:\/\/|data:)/i.test(String(name)));
  if (remote !== undefined)
    return `the picture ${JSON.stringify(String(remote).slice(0, 60))} is no file; other sources are not supported in this version`;
  return names.map(String);
}

function varsOf(spec: DatasetSpec, row: { [key: string]: Json }): { [key: string]: Json } {
  const columns = isObject(row["vars"]) ? { ...row["vars"], ...row } : row;
  const hidden = new Set([...OWN_COLUMNS, spec.target?.path ?? "target"]);
  return Object.fromEntries(Object.entries(columns).filter(([key]) => !hidden.has(key)));
}

/** Pictures of one thing at several resolutions: the image id without a trailing `_<digits>`. */
function groupOf(row: { [key: string]: Json }): string | undefined {
  const given = label(row["group"]);
  if (given !== undefined) return given;
  return label(row["image_id"])?.replace(/_\d+$/, "");
}

function clusterOf(spec: DatasetSpec, row: { [key: string]: Json }): string | undefined {
  if (spec.clusterBy !== undefined) return label(valueAt(row, spec.clusterBy));
  return label(row["cluster"]) ?? label(row["sequence_id"]);
}

const label = (value: Json | undefined): string | undefined =>
  (typeof value === "string" && value !== "") || typeof value === "number" ? String(value) : undefined;

const isScalar = (value: Json | undefined): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";

export const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

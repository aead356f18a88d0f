import type { Json } from "../json.js";
import { idOf, readEntries } from "./entries.js";
import type { Fields } from "./fields.js";
import { readFilter } from "./read-filter.js";
import { readAnswer } from "./read-prompts.js";
import { readSynthetic } from "./read-synthetic.js";
import {
  DATASET_TYPES,
  type DatasetSpec,
  type DatasetType,
  type Suite,
  type TargetSpec,
} from "./suite-types.js";

/** Most inline items; larger datasets belong in files. */
const MAX_ITEMS = 10_000;

/** What SAI suites call the types. */
const ALIASES: Readonly<Record<string, DatasetType>> = {
  sequence: "sequences",
  image_sequence: "sequences",
  image_sequences: "sequences",
  image: "images",
  image_folder: "images",
  folder: "images",
  YOLO: "yolo",
};

/** `datasets`: paths, and objects with a path or inline items. */
export const readDatasets = (root: Fields, schema: Suite["schema"]): DatasetSpec[] =>
  readEntries(root, "datasets", (entry, field) => {
    if (typeof entry === "string")
      return checkPath(root, field, entry) ? { field, id: idFromPath(entry), path: entry } : undefined;
    return readObject(entry, field, schema);
  });

function readObject(entry: Fields, field: string, schema: Suite["schema"]): DatasetSpec | undefined {
  if (entry.raw("type") === "synthetic") return readSyntheticDataset(entry, field);
  const path = entry.text("path", 1_000) ?? entry.text("uri", 1_000);
  const items = entry.list("items", MAX_ITEMS);
  if (path !== undefined && !checkPath(entry, field, path)) return refused(entry);
  const id = entry.has("id") || entry.has("name") || path === undefined ? idOf(entry) : idFromPath(path);
  if ((path === undefined) === (items === undefined)) {
    const what = path === undefined ? "neither a path nor items" : "both a path and items";
    if (!entry.has("items") || items) entry.findings.error(field, `the dataset has ${what}`);
    return refused(entry);
  }
  const type = readType(entry, schema);
  const sha256 = readHash(entry);
  const target = readTarget(entry);
  const answer = readAnswer(entry);
  const clusterBy = entry.text("cluster_by", 200);
  const sample = readSample(entry);
  entry.accept("name", "description");
  const filter = readFilter(entry, "filter");
  const split = entry.text("split", 200);
  const ids = entry.texts("ids");
  const yolo = type === "yolo" ? readYoloKeys(entry) : undefined;
  const unused = type === "yolo" ? ["config", "revision"] : ["config", "labels_path", "classes", "revision"];
  for (const key of unused) {
    entry.accept(key);
    if (entry.has(key))
      entry.findings.warning(entry.path(key), `${key} is read and not applied: every item is run`);
  }
  if (id === undefined) return undefined;
  return {
    field,
    id,
    ...(items ? { type: "inline" as const, items } : type && { type }),
    ...(path !== undefined && { path }),
    ...(sha256 !== undefined && { sha256 }),
    ...(target && { target }),
    ...(answer && { answer }),
    ...(clusterBy !== undefined && { clusterBy }),
    ...(split !== undefined && { split }),
    ...(filter && { filter }),
    ...(ids && { ids }),
    ...(sample && { sample }),
    ...(yolo && { yolo }),
  };
}

function readYoloKeys(entry: Fields): DatasetSpec["yolo"] {
  const labelsPath = entry.text("labels_path", 1_000);
  const file = typeof entry.raw("classes") === "string" ? entry.text("classes", 1_000) : undefined;
  const classes = file ?? entry.texts("classes");
  return { ...(labelsPath !== undefined && { labelsPath }), ...(classes && { classes }) };
}

function readSyntheticDataset(entry: Fields, field: string): DatasetSpec | undefined {
  const synthetic = readSynthetic(entry);
  const id = idOf(entry);
  entry.accept("type", "name", "description");
  return id === undefined || !synthetic ? undefined : { field, id, type: "synthetic", synthetic };
}

/** Nothing more is read from it, which does not make its keys unknown. */
function refused(entry: Fields): undefined {
  entry.accept(...entry.keys());
}

function checkPath(fields: Fields, field: string, path: string): boolean {
  if (path.trim() === "") {
    fields.findings.error(field, "the path is empty");
    return false;
  }
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(path)?.[1];
  if (scheme === undefined) return true;
  const hint = "download it and give the path of the file or folder";
  fields.findings.error(field, `datasets from ${scheme}:// are not supported in this version`, hint);
  return false;
}

/** A path as an id: characters and parts (`..`) no id may have become `_`. */
const idFromPath = (path: string): string =>
  path
    .replace(/[^A-Za-z0-9._:/@-]/g, "_")
    .slice(-128)
    .split("/")
    .map((part) => (part === ".." ? "_" : part))
    .join("/");

function readType(entry: Fields, schema: Suite["schema"]): DatasetType | undefined {
  const name = entry.text("type");
  if (name === undefined) return undefined;
  const type =
    DATASET_TYPES.find((candidate) => candidate === name) ??
    (Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined);
  if (type === "inline" && !entry.has("items")) {
    entry.findings.error(entry.path("type"), "an inline dataset has items");
  } else if (!type && schema === "sai/v1") {
    const later = ["hf", "s3"].includes(name);
    const message = later
      ? `datasets of type ${name} are not supported in this version`
      : `there is no dataset type ${JSON.stringify(name)}`;
    entry.findings.error(entry.path("type"), message, `one of ${DATASET_TYPES.join(", ")}`);
  } else if (!type) {
    entry.findings.warning(
      entry.path("type"),
      `the type ${JSON.stringify(name)} is not known; the path decides`,
    );
  }
  return type;
}

function readHash(entry: Fields): string | undefined {
  const hash = entry.text("sha256");
  if (hash === undefined || /^[0-9a-f]{64}$/.test(hash)) return hash;
  entry.findings.error(entry.path("sha256"), "expected 64 lower-case hex digits");
  return undefined;
}

function readTarget(entry: Fields): TargetSpec | undefined {
  if (typeof entry.raw("target") === "string") return { path: entry.text("target", 200) ?? "" };
  const target = entry.object("target");
  if (!target) return undefined;
  const path = target.text("path", 200);
  const extract = target.text("extract", 1_000);
  if (!target.has("path"))
    target.findings.error(target.at, "the target has no path", "name the column it stands in");
  target.close();
  return path === undefined ? undefined : { path, ...(extract !== undefined && { extract }) };
}

function readSample(entry: Fields): { n: number; seed: number } | undefined {
  const raw: Json | undefined = entry.raw("sample");
  if (typeof raw === "number") {
    const n = entry.number("sample", { min: 1, integer: true });
    return n === undefined ? undefined : { n, seed: 0 };
  }
  const sample = entry.object("sample");
  if (!sample) return undefined;
  const n = sample.number("n", { min: 1, integer: true });
  const seed = sample.number("seed", { min: 0, integer: true }) ?? 0;
  if (!sample.has("n")) sample.findings.error(sample.at, "the sample has no n");
  sample.close();
  return n === undefined ? undefined : { n, seed };
}

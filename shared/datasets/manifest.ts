/**
 * Item manifests: JSON lines of `Item`, canonical, so that equal datasets have equal hashes. A manifest may come from
 * anybody, so reading one checks every field.
 */
import type { Item, Media, Shot } from "../benchmark/item.js";
import { canonicalJson, type Json } from "../benchmark/json.js";
import { SaiError } from "../runtime/errors.js";
import { forbiddenKey, jsonProblem, MAX_DEPTH } from "./json-text.js";

/** The manifest: one canonical JSON line per item. */
export function manifestBytes(items: readonly Item[]): Uint8Array {
  return new TextEncoder().encode(
    items.map((item) => `${canonicalJson(JSON.parse(JSON.stringify(item)))}\n`).join(""),
  );
}

/** The items of a manifest. Throws SaiError `invalid_argument` naming the line. */
export function parseManifest(bytes: Uint8Array): Item[] {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SaiError("invalid_argument", "the item manifest is not valid UTF-8", { cause });
  }
  const seen = new Set<string>();
  return text.split("\n").flatMap((line, index) => {
    if (line === "") return [];
    const problem = jsonProblem(line);
    if (problem !== undefined) return refuse(index, problem);
    let value: Json;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      return refuse(index, "no JSON", cause);
    }
    const key = forbiddenKey(value);
    if (key !== undefined) return refuse(index, `the key ${JSON.stringify(key)} is not allowed`);
    const item = itemOf(value);
    if (typeof item === "string") return refuse(index, item);
    if (seen.has(item.id)) return refuse(index, `the item id ${JSON.stringify(item.id)} appears twice`);
    seen.add(item.id);
    return [item];
  });
}

function refuse(index: number, message: string, cause?: unknown): never {
  throw new SaiError("invalid_argument", `item manifest line ${index + 1}: ${message}`, {
    hint: `each line is one item as JSON with id and media, at most ${MAX_DEPTH} levels deep`,
    cause,
  });
}

const TEXT_FIELDS = ["input", "target", "level", "group", "cluster"] as const;

/** The item, or what is wrong with it. */
function itemOf(value: Json): Item | string {
  if (!isObject(value)) return "not an object";
  const { id, media, vars, truth } = value;
  if (typeof id !== "string" || id === "") return "`id` is not a text";
  if (!Array.isArray(media)) return "`media` is not a list";
  if (vars !== undefined && !isObject(vars)) return "`vars` is not an object";
  const item: Item = { id, media: [] };
  for (const entry of media) {
    const picture = mediaOf(entry);
    if (!picture) return "`media` has an entry that is neither a picture nor a missing one";
    item.media.push(picture);
  }
  for (const field of TEXT_FIELDS) {
    const text = value[field];
    if (text === undefined) continue;
    if (typeof text !== "string") return `\`${field}\` is not a text`;
    item[field] = text;
  }
  if (value["shots"] !== undefined) {
    const shots = shotsOf(value["shots"]);
    if (!shots) return "`shots` is not a list of examples with answers";
    item.shots = shots;
  }
  if (vars) item.vars = vars;
  if (truth !== undefined) item.truth = truth;
  return item;
}

function shotsOf(value: Json): Shot[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const shots = value.map((entry): Shot | undefined => {
    if (!isObject(entry)) return undefined;
    const { input, vars, answer } = entry;
    if (typeof answer !== "string" || (input !== undefined && typeof input !== "string")) return undefined;
    if (vars !== undefined && !isObject(vars)) return undefined;
    return { ...(input !== undefined && { input }), ...(vars && { vars }), answer };
  });
  return shots.every((shot) => shot !== undefined) ? shots : undefined;
}

function mediaOf(value: Json): Media | undefined {
  if (!isObject(value)) return undefined;
  const { kind, name, reason, sha256, mime, bytes, width, height } = value;
  if (typeof name !== "string") return undefined;
  if (kind === "missing") return typeof reason === "string" ? { kind, name, reason } : undefined;
  if (kind !== "image" || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  if (typeof mime !== "string" || !isSize(bytes) || !isSize(width) || !isSize(height)) return undefined;
  return { kind, name, sha256, mime, bytes, width, height };
}

const isSize = (value: Json | undefined): value is number => Number.isSafeInteger(value) && Number(value) > 0;
const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

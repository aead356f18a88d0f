import type { Json } from "../json.js";
import { checkName, Fields, isObject, kindOf } from "./fields.js";

/**
 * The entries of a list that holds names and objects, such as prompts, models and datasets. The list must be there and
 * not empty; every entry's id must be unique. `read` gives an entry, or undefined after adding an error.
 */
export function readEntries<T extends { id: string }>(
  root: Fields,
  key: string,
  read: (entry: string | Fields, field: string) => T | undefined,
): T[] {
  const list = root.list(key);
  if (!list) {
    if (!root.has(key)) root.findings.error(key, `${key} is missing`);
    return [];
  }
  const seen = new Map<string, string>();
  return list.flatMap((value: Json, index) => {
    const field = `${key}[${index}]`;
    if (typeof value !== "string" && !isObject(value)) {
      root.findings.error(field, `expected a name or an object, found ${kindOf(value)}`);
      return [];
    }
    const fields = typeof value === "string" ? undefined : new Fields(field, value, root.findings);
    const entry = read(fields ?? String(value), field);
    fields?.close();
    const idField = ["id", "name"].find((name) => fields?.raw(name) === entry?.id);
    const idAt = idField === undefined ? field : `${field}.${idField}`;
    if (!entry || !checkName(idAt, entry.id, root.findings)) return [];
    const first = seen.get(entry.id);
    if (first !== undefined) {
      root.findings.error(field, `${JSON.stringify(entry.id)} is already ${first}`);
      return [];
    }
    seen.set(entry.id, field);
    return [entry];
  });
}

/** The entry's `id` or, as SAI suites write it, its `name`; an error when neither is there. */
export function idOf(fields: Fields): string | undefined {
  const id = fields.text("id") ?? (fields.has("id") ? undefined : fields.text("name"));
  if (id === undefined && !fields.has("id") && !fields.has("name")) {
    fields.findings.error(fields.at, "the entry has no id");
  }
  return id;
}

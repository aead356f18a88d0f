/** The schema's leaves by dotted key: what the environment can set and `sai doctor` shows. */
import { z } from "zod";
import { fileSchema, type LeafNote, leafNotes } from "./schema.js";

export interface Leaf extends LeafNote {
  /** Dotted key such as `coordinator.http_port`. */
  key: string;
  type: "number" | "boolean" | "list" | "text";
}

/** Every leaf in the schema's order. */
export const leaves: ReadonlyMap<string, Leaf> = new Map(
  collect(fileSchema, "").map((leaf) => [leaf.key, leaf]),
);

/** The sections' and leaves' names below a dotted key ("" is the root), for suggestions. */
export function keysBelow(path: string): string[] {
  const prefix = path === "" ? "" : `${path}.`;
  const names = [...leaves.keys()].filter((key) => key.startsWith(prefix));
  return [...new Set(names.map((key) => key.slice(prefix.length).split(".")[0] ?? ""))];
}

function collect(schema: z.ZodType, path: string): Leaf[] {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return [{ key: path, type: typeOf(inner), ...leafNotes.get(schema) }];
  return Object.entries(inner.shape as { [name: string]: z.ZodType }).flatMap(([name, child]) =>
    collect(child, path === "" ? name : `${path}.${name}`),
  );
}

function unwrap(schema: z.ZodType): z.ZodType {
  const wrapped =
    schema instanceof z.ZodDefault || schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault;
  return wrapped ? unwrap(schema.unwrap() as z.ZodType) : schema;
}

function typeOf(schema: z.ZodType): Leaf["type"] {
  if (schema instanceof z.ZodNumber) return "number";
  if (schema instanceof z.ZodBoolean) return "boolean";
  return schema instanceof z.ZodArray || schema instanceof z.ZodRecord ? "list" : "text";
}

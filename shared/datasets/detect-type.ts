import { readdir, stat } from "node:fs/promises";
import { extname } from "node:path";
import type { DatasetType } from "../benchmark/suite/suite-types.js";
import { isPicture } from "./read-folder.js";

/**
 * What a path holds, where the suite does not say: a folder with folders in it is sequences, a folder with pictures is
 * images, one with the folders images and labels is yolo, a file goes by its extension. Undefined if it is none of them.
 */
export async function detectType(path: string): Promise<DatasetType | undefined> {
  if ((await stat(path)).isDirectory()) {
    const entries = await readdir(path, { withFileTypes: true });
    const visible = entries.filter((entry) => !entry.name.startsWith("."));
    const isIn = (name: string): boolean =>
      visible.some((entry) => entry.isDirectory() && entry.name === name);
    if (isIn("images") && isIn("labels")) return "yolo";
    const pictures = visible.some((entry) => isPicture(entry.name));
    return !pictures && visible.some((entry) => entry.isDirectory()) ? "sequences" : "images";
  }
  const extension = extname(path).toLowerCase();
  if (extension === ".json") return "json";
  if (extension === ".jsonl" || extension === ".ndjson") return "jsonl";
  if (extension === ".tsv") return "tsv";
  return extension === ".csv" ? "csv" : undefined;
}

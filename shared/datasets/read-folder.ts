/**
 * Folders as datasets. A folder of sequence folders: each is an item, its pictures in natural order (2 before 10), its
 * truth in the text file beside it, `<sequence>.txt`: not empty means smoke, four comma-separated numbers are the box
 * [xc, yc, w, h]; without the file nothing is known. A plain folder of pictures: each picture is an item without truth.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "../benchmark/json.js";
import type { Row } from "./row.js";

const PICTURE = /\.(jpe?g|png|bmp|webp|gif)$/i;
export const isPicture = (name: string): boolean => PICTURE.test(name) && !name.startsWith(".");

/** 2 before 10. */
export const natural = new Intl.Collator("en", { numeric: true, sensitivity: "variant" });

/** The rows of a folder; `shown` is its path as the suite has it. */
export async function readFolder(folder: string, shown: string, sequences: boolean): Promise<Row[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) =>
      sequences ? entry.isDirectory() && !entry.name.startsWith(".") : isPicture(entry.name),
    )
    .map((entry) => entry.name)
    .sort(natural.compare);
  const rows: Row[] = [];
  for (const name of names) {
    const ordinal = rows.length;
    const place = `${shown}/${name}`;
    if (!sequences) {
      rows.push({ ordinal, place, value: { id: name, images: [name] } });
      continue;
    }
    const pictures = (await readdir(join(folder, name))).filter(isPicture).sort(natural.compare);
    if (pictures.length === 0) continue;
    const truth = await sequenceTruth(join(folder, `${name}.txt`));
    rows.push({
      ordinal,
      place,
      value: {
        id: name,
        sequence_id: name,
        images: pictures.map((picture) => `${name}/${picture}`),
        ...(truth !== undefined && { ground_truth: truth }),
      },
    });
  }
  return rows;
}

async function sequenceTruth(file: string): Promise<Json | undefined> {
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  if (text === "") return { has_smoke: false };
  const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const isBox = numbers.length === 4 && numbers.every((value) => value >= 0 && value <= 1);
  return isBox ? { has_smoke: true, bbox: numbers } : { has_smoke: true };
}

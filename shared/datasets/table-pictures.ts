/**
 * Pictures inside of a table, as base64 in its column `image`, as VLMEvalKit has them: a short value is the `index` of the row
 * whose picture it is too, and a list in brackets is several. The rows get names in their place. `index` is a row's id.
 */
import type { FindingList } from "../benchmark/finding.js";
import type { DatasetSpec } from "../benchmark/suite/suite-types.js";
import { isObject, type Row } from "./row.js";

const COLUMN = "image";
/** No picture is as short in base64, and no index as long. */
const MOST_INDEX_CHARS = 64;
const BASE64 = /^[A-Za-z0-9+/\r\n]+={0,2}\s*$/;

/** The pictures by name; changes the rows. Undefined, with findings, when a cell is neither a picture nor an index. */
export function takePictures(
  rows: readonly Row[],
  { field }: DatasetSpec,
  findings: FindingList,
): Map<string, Buffer> | undefined {
  const pictures = new Map<string, Buffer>();
  const byIndex = new Map<string, string[]>();
  const borrowed: { row: { [key: string]: unknown }; index: string; place: string }[] = [];
  let bad = 0;
  const problem = (message: string): void => {
    if (++bad <= 10) findings.error(field, message);
  };
  for (const { value: row, place, ordinal } of rows) {
    if (!isObject(row)) continue;
    const index = typeof row["index"] === "string" ? row["index"].trim() : "";
    if (index !== "" && row["id"] === undefined) row["id"] = index;
    const cell = row[COLUMN];
    if (typeof cell !== "string" || cell.trim() === "") {
      if (typeof row["image_path"] === "string" && row["image_path"] !== "") row[COLUMN] = row["image_path"];
      continue;
    }
    if (cell.trim().length <= MOST_INDEX_CHARS) {
      borrowed.push({ row, index: cell.trim(), place });
      continue;
    }
    const names: string[] = [];
    for (const [i, text] of listOf(cell).entries()) {
      if (!BASE64.test(text)) problem(`${place}: the picture in \`image\` is no base64`);
      const name = `${index === "" ? ordinal : index}${i === 0 ? "" : `-${i + 1}`}`;
      pictures.set(name, Buffer.from(text, "base64"));
      names.push(name);
    }
    row["images"] = names;
    delete row[COLUMN];
    if (index !== "") byIndex.set(index, names);
  }
  for (const { row, index, place } of borrowed) {
    const names = byIndex.get(index);
    if (names === undefined) {
      // A file's name, as any table may have.
      if (!/^\d+$/.test(index)) continue;
      problem(`${place}: \`image\` names the row ${index}, which has no picture`);
    } else {
      row["images"] = [...names];
      delete row[COLUMN];
    }
  }
  if (bad > 10) findings.error(field, `${bad - 10} more pictures are wrong`);
  return bad === 0 ? pictures : undefined;
}

/** `['…', '…']` is several; all else is one. */
const listOf = (cell: string): string[] =>
  /^\s*\[.*\]\s*$/s.test(cell)
    ? cell
        .trim()
        .slice(1, -1)
        .split(",")
        .map((part) => part.trim().replace(/^['"]|['"]$/g, ""))
    : [cell.trim()];

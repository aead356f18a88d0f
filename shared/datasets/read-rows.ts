/** Files as datasets: a JSON array, JSON lines, or CSV or TSV with a header. A malformed line is an error with file and line. */
import { readFile, stat } from "node:fs/promises";
import { CsvError, parse as parseCsv } from "csv-parse/sync";
import type { FindingList } from "../benchmark/finding.js";
import type { Json, Sha256 } from "../benchmark/json.js";
import type { DatasetSpec, DatasetType } from "../benchmark/suite/suite-types.js";
import { FORBIDDEN_KEYS, forbiddenKey, jsonProblem } from "./json-text.js";
import type { Row } from "./row.js";

/** Largest dataset file in bytes, that of an upload. */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;

/** The rows, or undefined when the whole file cannot be used. `shown` is its path as the suite has it. */
export async function readRowsFile(
  file: string,
  shown: string,
  type: DatasetType,
  spec: DatasetSpec,
  sha256: Sha256,
  findings: FindingList,
): Promise<Row[] | undefined> {
  const problem = (message: string): undefined => {
    findings.error(spec.field, `${shown}${message}`);
  };
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES) return problem(` has ${size} bytes; the limit is ${MAX_FILE_BYTES}`);
  const bytes = await readFile(file);
  if (spec.sha256 !== undefined && sha256(bytes) !== spec.sha256) {
    return problem(` has the SHA-256 ${sha256(bytes)}, not ${spec.sha256}`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return problem(" is not valid UTF-8");
  }
  if (type === "csv" || type === "tsv") return tableRows(text, type, shown, problem);
  return type === "json" ? jsonRows(text, shown, problem) : lineRows(text, shown, problem);
}

type Problem = (message: string) => undefined;

function jsonRows(text: string, shown: string, problem: Problem): Row[] | undefined {
  const parsed = parseJson(text);
  if ("problem" in parsed)
    return problem(`${parsed.line === undefined ? "" : ` line ${parsed.line}`}: ${parsed.problem}`);
  if (!Array.isArray(parsed.value)) return problem(": expected a list of items");
  return parsed.value.map((value, ordinal) => ({ value, ordinal, place: `${shown} item ${ordinal}` }));
}

/** Blank lines are skipped; every malformed line is reported, the first ten by name. */
function lineRows(text: string, shown: string, problem: Problem): Row[] | undefined {
  const rows: Row[] = [];
  let bad = 0;
  text.split("\n").forEach((line, index) => {
    if (line.trim() === "") return;
    const parsed = parseJson(line);
    if ("value" in parsed)
      rows.push({ value: parsed.value, ordinal: rows.length, place: `${shown} line ${index + 1}` });
    else if (++bad <= 10) problem(` line ${index + 1}: ${parsed.problem}`);
  });
  if (bad > 10) problem(`: ${bad === 11 ? "1 more line is" : `${bad - 10} more lines are`} no JSON`);
  return bad === 0 ? rows : undefined;
}

/** In a TSV a cell may be a picture, which is long, and quotes within words are only that. */
const TABLES = {
  csv: { max_record_size: 1024 * 1024 },
  tsv: { max_record_size: 64 * 1024 * 1024, delimiter: "\t", relax_quotes: true },
};

function tableRows(
  text: string,
  type: keyof typeof TABLES,
  shown: string,
  problem: Problem,
): Row[] | undefined {
  const lines: { record: string[]; line: number }[] = [];
  try {
    parseCsv(text, {
      bom: true,
      skip_empty_lines: true,
      ...TABLES[type],
      on_record(record: string[], context) {
        lines.push({ record, line: context.lines });
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = "lines" in error && typeof error["lines"] === "number" ? ` line ${error["lines"]}` : "";
    return problem(`${line}: ${error.message}`);
  }
  const header = lines[0]?.record.map((name) => name.trim());
  if (!header) return [];
  const wrong = header.find(
    (name, index) => name === "" || FORBIDDEN_KEYS.has(name) || header.indexOf(name) !== index,
  );
  if (wrong !== undefined)
    return problem(` line 1: the column ${JSON.stringify(wrong)} is empty, doubled or not allowed`);
  return lines.slice(1).map(({ record, line }, ordinal) => ({
    value: Object.fromEntries(header.map((name, column) => [name, record[column] ?? ""])),
    ordinal,
    place: `${shown} line ${line}`,
  }));
}

function parseJson(text: string): { value: Json } | { problem: string; line?: number } {
  const before = jsonProblem(text);
  if (before !== undefined) return { problem: before };
  try {
    const value: Json = JSON.parse(text.replace(/^\uFEFF/, ""));
    const key = forbiddenKey(value);
    return key === undefined ? { value } : { problem: `the key ${JSON.stringify(key)} is not allowed` };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const position = /position (\d+)/.exec(message)?.[1];
    const line = position === undefined ? undefined : text.slice(0, Number(position)).split("\n").length;
    return { problem: `no valid JSON: ${message}`, ...(line !== undefined && { line }) };
  }
}

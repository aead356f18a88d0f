/**
 * The lines of a journal. Each is `<check> <json>` and a newline; the check is a hash over the attempt's name and the
 * JSON, so that a reader tells a line that was written from one that was torn, overwritten, or stems from another file.
 * A line that checks out is true wherever it stands.
 */
import { fenceText, parseFence } from "../../shared/domain/fence.js";
import type { Assignment, ShardFailure, ShardResult } from "./assignment.js";
import type { WrittenRecord } from "./records-file.js";

/** Of the format; a journal of another one is not read. */
export const JOURNAL_VERSION = 2;

/** Who writes: the cluster the attempt belongs to, and the start of the agent. */
export interface Origin {
  cluster: string;
  incarnation: bigint;
}

export type JournalLine =
  /** First in every journal. */
  | { k: "attempt"; v: number; origin: Origin; assignment: Assignment }
  /** Another start of the agent goes on with the attempt from here. */
  | { k: "resumed"; incarnation: bigint }
  /** A sample is about to run. */
  | { k: "begin"; ordinal: number }
  | { k: "record"; record: WrittenRecord }
  /** A sample that had begun to warm up the model has ended; it will begin again. */
  | { k: "warmed"; ordinal: number }
  /** The agent was stopped in order: what had begun was not in flight at a death. */
  | { k: "paused" }
  /** The records are in the artifact store. */
  | { k: "stored"; result: ShardResult }
  | { k: "failed"; failure: ShardFailure };

/** What stands before and behind a record in its line. */
const RECORD = ['{"k":"record","record":', "}"] as const;

/** The line as it stands in the journal of the attempt `name` (its fence as text). */
export function encodeLine(name: string, line: JournalLine): string {
  const json = line.k === "record" ? RECORD[0] + line.record.json + RECORD[1] : JSON.stringify(line, toJson);
  return `${check(name, json)} ${json}\n`;
}

/** The line without its newline, read back; undefined when it is none of this journal's. */
export function decodeLine(name: string, text: string): JournalLine | undefined {
  if (text[8] !== " " || text.slice(0, 8) !== check(name, text.slice(9))) return undefined;
  const line = text.slice(9);
  try {
    if (!line.startsWith(RECORD[0])) return JSON.parse(line, fromJson) as JournalLine;
    const json = line.slice(RECORD[0].length, -RECORD[1].length);
    const { ordinal, status, cost_usd } = JSON.parse(json) as WrittenRecord & { cost_usd?: number };
    const cost = cost_usd === undefined ? {} : { costUsd: cost_usd };
    return { k: "record", record: { ordinal, status, json, ...cost } };
  } catch {
    return undefined;
  }
}

// Fences, gates and incarnations are bigints, which JSON lacks. Inline bytes are the records, which the journal has.
function toJson(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (key === "fence") return fenceText(value as Assignment["fence"]);
  return key === "inline" ? undefined : value;
}

function fromJson(key: string, value: unknown): unknown {
  if (key === "fence") return parseFence(String(value));
  return key === "gate" || key === "incarnation" ? BigInt(String(value)) : value;
}

/** FNV-1a, 32 bits, over UTF-16 units: any single change changes it, and it costs 1 ns a character. */
function check(name: string, text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

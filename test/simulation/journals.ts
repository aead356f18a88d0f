/** What the journals on a machine say, read as they lie on its disk; lines that are torn say nothing. */
import { decodeLine, type JournalLine } from "../../agent/attempt/journal-lines.js";
import { type AgentHost, JOURNALS } from "./agent-host.js";

const SUFFIX = ".jsonl";

/** The fence that a journal is of; undefined for other files. */
export const fenceOfJournal = (path: string): string | undefined =>
  path.startsWith(JOURNALS) && path.endsWith(SUFFIX)
    ? path.slice(JOURNALS.length, -SUFFIX.length)
    : undefined;

/** `campaign/job/ordinal` of every sample that was begun and has no record. */
export function begunOn({ disk }: AgentHost): Set<string> {
  const begun = new Set<string>();
  for (const [path, data] of disk.below(JOURNALS)) {
    const lines = linesOf(path, data);
    const head = lines.find(({ k }) => k === "attempt");
    if (head?.k !== "attempt") continue;
    const { campaign, job } = head.assignment.shard;
    for (const line of lines) {
      if (line.k === "begin") begun.add(`${campaign}/${job}/${line.ordinal}`);
      if (line.k === "record") begun.delete(`${campaign}/${job}/${line.record.ordinal}`);
    }
  }
  return begun;
}

/** Whether a journal holds a whole result or a failure: something that somebody waits for. */
export function holdsAnEnd(path: string, data: Buffer): boolean {
  const lines = linesOf(path, data);
  const head = lines.find(({ k }) => k === "attempt");
  if (head?.k !== "attempt") return false;
  if (lines.some(({ k }) => k === "stored" || k === "failed")) return true;
  const recorded = new Set(lines.flatMap((line) => (line.k === "record" ? [line.record.ordinal] : [])));
  return recorded.size === head.assignment.shard.count;
}

/** Whether what was appended to a journal begins a sample. */
export const beginsSample = (path: string, data: Buffer): boolean =>
  linesOf(path, data).some(({ k }) => k === "begin");

function linesOf(path: string, data: Buffer): JournalLine[] {
  const fence = fenceOfJournal(path);
  if (fence === undefined) return [];
  return data
    .toString("utf8")
    .split("\n")
    .flatMap((text) => decodeLine(fence, text) ?? []);
}

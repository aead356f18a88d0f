/** What the journals on a machine say, read as they lie on its disk; lines that are torn say nothing. */
import { type AgentHost, JOURNALS } from "./agent-host.js";

/** `campaign/job/ordinal` of every sample that was begun and has no record. */
export function begunOn({ disk }: AgentHost): Set<string> {
  const begun = new Set<string>();
  for (const [, data] of disk.below(JOURNALS)) {
    const lines = linesOf(data);
    const shard = shardOf(lines[0]);
    if (shard === undefined) continue;
    for (const line of lines) {
      const { k, ordinal, record } = line;
      if (k === "begin") begun.add(`${shard}/${ordinal}`);
      if (k === "record") begun.delete(`${shard}/${(record as { ordinal: number }).ordinal}`);
    }
  }
  return begun;
}

type Line = { [key: string]: unknown };

/** The lines of what was appended at once, or of a whole journal. */
export function linesOf(data: Buffer): Line[] {
  const lines: Line[] = [];
  for (const text of data.toString("utf8").split("\n")) {
    if (text === "") continue;
    try {
      lines.push(JSON.parse(text) as Line);
    } catch {
      break;
    }
  }
  return lines;
}

/** `campaign/job` of a journal's first line. */
function shardOf(head: Line | undefined): string | undefined {
  if (head?.["k"] !== "attempt" || typeof head["assignment"] !== "string") return undefined;
  const { shard } = JSON.parse(head["assignment"]) as { shard: { campaign: string; job: string } };
  return `${shard.campaign}/${shard.job}`;
}

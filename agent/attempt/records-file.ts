/** The records file of an attempt, and what the coordinator is told of it. */
import { recordsKey } from "../../shared/artifacts/store.js";
import type { ResultRecord, Status } from "../../shared/benchmark/record.js";
import { fenceText } from "../../shared/domain/fence.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { Assignment, ShardResult } from "./assignment.js";

/** A record as it stands in the journal and in the records file: written once, read by nobody here. */
export interface WrittenRecord {
  ordinal: number;
  status: Status;
  json: string;
  /** Of its requests, where their price is known. */
  costUsd?: number;
}

export const written = (record: ResultRecord): WrittenRecord => ({
  ordinal: record.ordinal,
  status: record.status,
  json: JSON.stringify(record),
  ...(record.cost_usd === undefined ? {} : { costUsd: record.cost_usd }),
});

/**
 * A window of a load, which is one sample for the coordinator and a record for each of its requests. It stands in the
 * journal as one line, so that it is there whole or not at all.
 */
export const writtenWindow = (
  ordinal: number,
  status: Status,
  requests: readonly ResultRecord[],
): WrittenRecord => ({
  ...{ ordinal, status, json: JSON.stringify({ requests, ordinal, status }) },
  costUsd: requests.reduce((sum, { cost_usd = 0 }) => sum + cost_usd, 0),
});

const IS_WINDOW = '{"requests":[';

/** The lines of the records file. */
function linesOf({ json }: WrittenRecord): string {
  if (!json.startsWith(IS_WINDOW)) return `${json}\n`;
  const { requests } = JSON.parse(json) as { requests: ResultRecord[] };
  return requests.map((record) => `${JSON.stringify(record)}\n`).join("");
}

/** USD of records, where their price is known. */
export const costOf = (records: Iterable<WrittenRecord>): number => {
  let usd = 0;
  for (const { costUsd = 0 } of records) usd += costUsd;
  return usd;
};

/** Records files up to this size travel inside the result. */
const INLINE_BYTES = 1024;

/**
 * The file, and the result that names it: inline if it is small, else to be stored at the result's uri. The same records
 * give the same bytes, whatever their order and whether or not they were read back from a journal. `gpuSeconds`: how long
 * the attempt had GPUs, times how many; a journal alone does not tell.
 */
export function recordsFile(
  { fence, shard, gate }: Assignment,
  records: readonly WrittenRecord[],
  gpuSeconds = 0,
): { result: ShardResult; bytes: Buffer } {
  const sorted = [...records].sort((a, b) => a.ordinal - b.ordinal);
  const bytes = Buffer.from(sorted.map(linesOf).join(""));
  const counts: { [status: string]: number } = {};
  for (const { status } of sorted) counts[status] = (counts[status] ?? 0) + 1;
  const spent = { usd: costOf(sorted), gpuSeconds };
  const about = { fence, shard, gate, sha256: sha256(bytes), sizeBytes: bytes.byteLength, counts, spent };
  if (bytes.byteLength <= INLINE_BYTES) return { result: { ...about, uri: "", inline: bytes }, bytes };
  const uri = recordsKey(shard.campaign, shard.job, shard.index, fenceText(fence));
  return { result: { ...about, uri, inline: undefined }, bytes };
}

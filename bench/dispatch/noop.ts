/**
 * The attempt of the benchmark: nothing is run. Its records file is one record of the real shape with the sample's own
 * names in it, below the size up to which results travel inline.
 */
import type { Assignment, ShardResult } from "../../agent/attempt/assignment.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { fenceText } from "../../shared/domain/fence.js";
import { sha256 } from "../../shared/runtime/hash.js";

const HASH = sha256("no-op");

/** The sample that a record is of, and its answer. */
export type Answered = Pick<ResultRecord, "ordinal" | "repetition" | "item_id"> & { output: string };

/** Of an attempt that reads nothing. */
const unread = ({ shard }: Assignment): Answered => ({
  ...{ ordinal: shard.first, repetition: 0, item_id: `q${shard.first}`, output: "a1" },
});

const recordOf = (
  { shard, fence }: Assignment,
  { ordinal, repetition, item_id, output }: Answered,
): Omit<ResultRecord, "gen"> => ({
  v: 1,
  record_id: named(`${shard.job}/${ordinal}`),
  cache_key: HASH,
  pair_key: named(`${item_id}/${repetition}`),
  campaign: shard.campaign,
  job: shard.job,
  shard: shard.index,
  attempt: fenceText(fence),
  ordinal,
  repetition,
  item_id,
  cluster_id: item_id,
  prompt: { id: "ask", version: "1", sha256: HASH.slice(32) }, // half of it, so that an item fits in as well
  model: { id: "m" },
  engine: { kind: "simulated", version: "1", args: [] },
  node: { id: "n", device_class: "cpu", gpu_uuids: [] },
  cached: false,
  tries: [{ t_ns: 0, status: "ok" }],
  t_ns: { scheduled: 0, sent: 0, first_token: 1, last_token: 2, done: 3 },
  chunks: 1,
  tokens: { in: 8, out: 8, source: "server" },
  server: {},
  status: "ok",
  finish: "stop",
  output,
  target_sha: HASH,
  scores: { exact_match: 1 },
  flags: [],
});

/** As long as a hash, and cheaper. */
const named = (name: string): string => HASH.slice(name.length) + name;

/** What the attempt would have come to, with this answer. */
export function resultOf(assignment: Assignment, answered = unread(assignment)): ShardResult {
  const { fence, shard, gate } = assignment;
  const inline = Buffer.from(`${JSON.stringify(recordOf(assignment, answered))}\n`);
  const about = { sha256: sha256(inline), sizeBytes: inline.length, counts: { ok: shard.count } };
  return { fence, shard, gate, uri: "", ...about, inline };
}

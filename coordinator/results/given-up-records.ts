import { pairKey, recordId, targetSha } from "../../shared/benchmark/identity.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { Sha256 } from "../../shared/benchmark/json.js";
import { ordinalOf } from "../../shared/benchmark/load/load-spec.js";
import { type JobSpec, ordinalAt } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { scoreSample } from "../../shared/benchmark/score.js";
import type { ShardRange } from "../../shared/domain/sharding.js";
import type { DoneValue } from "../store/values.js";

/**
 * The records of a shard whose attempts all failed: one per sample, with its truth, so that it counts as wrong where
 * failures count, and without any time, because nothing ran. `pairs` are the items' base pair keys.
 */
export function givenUpRecords(
  campaign: string,
  job: JobSpec,
  shard: number,
  range: ShardRange,
  done: Extract<DoneValue, { kind: "failed" }>,
  items: readonly Item[],
  pairs: readonly string[],
  sha256: Sha256,
): ResultRecord[] {
  return Array.from({ length: range.count }, (_, i) => {
    const sample = ordinalAt(job, range.first + i);
    // Of a window that never ran there is one record, as if of its first request.
    const ordinal = job.load ? ordinalOf(sample, 0) : sample;
    const index = job.load ? 0 : ordinal % items.length;
    const repetition = job.load ? sample : Math.floor(ordinal / items.length);
    const item = items[index];
    if (item === undefined) throw new RangeError(`job ${job.id} has no item for sample ${ordinal}`);
    const { scores, detections } = scoreSample(job, item, undefined);
    return {
      v: 1,
      record_id: recordId(job.retry?.campaign ?? campaign, job.id, ordinal, sha256),
      cache_key: "",
      pair_key: pairKey(pairs[index] ?? "", repetition, sha256),
      campaign,
      job: job.id,
      shard,
      attempt: "",
      ordinal,
      repetition,
      item_id: item.id,
      cluster_id: item.cluster ?? item.id,
      ...(item.level === undefined ? {} : { level: item.level }),
      ...(item.group === undefined ? {} : { group: item.group }),
      prompt: { id: job.prompt.id, version: job.prompt.version, sha256: job.prompt.sha256 },
      model: { id: job.model.id },
      engine: { kind: job.model.engine, version: "", args: [] },
      node: { id: "", device_class: "", gpu_uuids: [] },
      gen: job.generation,
      cached: false,
      tries: [],
      t_ns: { scheduled: 0, sent: 0, done: 0 },
      chunks: 0,
      tokens: { source: "none" },
      server: {},
      status: done.status,
      finish: "error",
      error: { class: done.cause || "attempts_exhausted", message: done.reason },
      target_sha: targetSha(item, sha256),
      scores: job.load ? {} : scores,
      ...(detections === undefined ? {} : { detections }),
      flags: [],
    } satisfies ResultRecord;
  });
}

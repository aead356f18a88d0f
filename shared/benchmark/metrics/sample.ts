/** What the aggregates keep of a record: enough for every metric, little enough to keep hundreds of thousands. */
import { type LegacySample, legacySampleOf } from "../legacy.js";
import type { LoadRequest } from "../load/load-request.js";
import type { Fields } from "../parse-fields.js";
import type { JobSpec, Plan } from "../plan.js";
import { isAnswered, isFailure, type ResultRecord, type Status } from "../record.js";
import type { Detection } from "../scoring/detections.js";
import { objectNames } from "../scoring/objects.js";
import type { Scores } from "../scoring/scores.js";
import { type TimesMs, timesOf } from "./times.js";

export interface Sample {
  ordinal: number;
  /** Item index within the dataset; the unit that repetitions are averaged in. */
  item: number;
  repetition: number;
  cluster: string;
  level: string | undefined;
  group: string | undefined;
  status: Status;
  /** ok, parse_error or refused. */
  answered: boolean;
  /** engine_error, timeout, oom or poison. */
  failed: boolean;
  scores: Scores;
  /** Where map_50 is asked for and the item has truth about boxes. */
  detections: readonly Detection[] | undefined;
  /** The answer as text, where a majority is asked for and there is one. */
  answer: string | undefined;
  /** Fields that are there. */
  fields: readonly string[];
  /** Names of the objects seen, for items that belong to a group. */
  objects: ReadonlySet<string> | undefined;
  /** Jaccard of `objects` with those of the group's first item; set by `compareWithinGroups`. */
  consistency: number | undefined;
  targetSha: string;
  pairKey: string;
  /** Answered and not from the cache. */
  times: TimesMs | undefined;
  /** From slot free to done, ns of `node`. */
  busy: readonly [startNs: number, endNs: number];
  node: string;
  gpus: number;
  cached: boolean;
  tokens: ResultRecord["tokens"];
  costUsd: number | undefined;
  costAvoidedUsd: number | undefined;
  flags: readonly string[];
  error: { class: string; message: string } | undefined;
  attempt: string;
  engineVersion: string;
  modelDigest: string;
  /** What its attempt's GPUs did; on one sample an attempt. */
  window: ResultRecord["gpu_window"];
  /** How long the load took that its attempt waited for; on one sample a load. */
  loadMs: number | undefined;
  /** Where the plan asks for the original's numbers. */
  legacy: LegacySample | undefined;
  /** Of loads. */
  request?: LoadRequest;
}

/** `compat`: of the plan. */
export function sampleOf(record: ResultRecord, job: JobSpec, compat?: Plan["compat"]): Sample {
  const answered = isAnswered(record.status);
  const fields = fieldsOf(record);
  return {
    ordinal: record.ordinal,
    item: record.ordinal % Math.max(1, job.dataset.items),
    repetition: record.repetition,
    cluster: record.cluster_id,
    level: record.level,
    group: record.group,
    status: record.status,
    answered,
    failed: isFailure(record.status),
    scores: record.scores,
    detections: record.detections,
    answer: votes(job) && fields["answer"] !== undefined ? JSON.stringify(fields["answer"]) : undefined,
    fields: Object.keys(fields),
    objects: record.group === undefined ? undefined : objectNames(fields["objects"]),
    consistency: undefined,
    targetSha: record.target_sha,
    pairKey: record.pair_key,
    times: answered && !record.cached ? timesOf(record) : undefined,
    busy: [record.t_ns.scheduled, record.t_ns.done],
    node: record.node.id,
    gpus: record.node.gpu_uuids.length * (record.node.gpu_share ?? 1),
    cached: record.cached,
    tokens: record.tokens,
    costUsd: record.cost_usd,
    costAvoidedUsd: record.cost_avoided_usd,
    flags: record.flags,
    error: record.error,
    attempt: record.attempt,
    engineVersion: record.engine.version,
    modelDigest: record.model.digest ?? "",
    window: record.gpu_window,
    loadMs: record.load_ns === undefined ? undefined : record.load_ns / 1e6,
    legacy: compat === undefined ? undefined : legacySampleOf(record, job.prompt),
  };
}

function fieldsOf(record: ResultRecord): Fields {
  const { parsed } = record;
  const isObject = parsed !== null && typeof parsed === "object" && !Array.isArray(parsed);
  return record.status === "ok" && isObject ? parsed : {};
}

const votes = (job: JobSpec): boolean => job.metrics.some(({ reduce }) => reduce?.by === "majority");

/**
 * New scores for answers that are there already: nobody is asked again.
 *
 * 1. What decides an answer must be as it was: the prompt's words, the model, its settings, the items. What comes after
 *    it may change: parsing, fields, truth and targets, metrics, thresholds, levels and clusters.
 * 2. A sample whose whole answer was not kept keeps its scores, and is flagged `not_rescored`.
 * 3. Times, tokens, costs and failures stay what they were.
 */
import { targetSha } from "./identity.js";
import type { Item } from "./item.js";
import { canonicalJson, type Json, type Sha256 } from "./json.js";
import type { JobSpec } from "./plan.js";
import type { ResultRecord } from "./record.js";
import { scoreSample } from "./score.js";

/** What is done to records. */
export interface Rescoring {
  /** The record as its job scores it now. */
  record(record: ResultRecord): ResultRecord;
  /** Samples looked at so far, those of them whose scores or status are others now, and those that kept theirs. */
  counts(): { samples: number; changed: number; kept: number };
}

/** `items`: of each manifest that the jobs name, by its hash. */
export function createRescoring(
  jobs: readonly JobSpec[],
  items: { readonly [manifestSha256: string]: readonly Item[] },
  sha256: Sha256,
): Rescoring {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const [counts, looked] = [{ samples: 0, changed: 0, kept: 0 }, new Set<string>()];
  return {
    record(record) {
      const job = byId.get(record.job);
      const own = job && items[job.dataset.manifestSha256];
      const item = own?.[record.ordinal % own.length];
      if (job === undefined || item === undefined) return record;
      const fresh = rescored(record, job, item, sha256);
      if (!looked.has(record.record_id)) {
        looked.add(record.record_id);
        counts.samples += 1;
        if (fresh.flags.includes(KEPT)) counts.kept += 1;
        else if (verdict(fresh) !== verdict(record)) counts.changed += 1;
      }
      return fresh;
    },
    counts: () => counts,
  };
}

const KEPT = "not_rescored";
const verdict = ({ status, scores }: ResultRecord): string => canonicalJson({ status, scores });

function rescored(record: ResultRecord, job: JobSpec, item: Item, sha256: Sha256): ResultRecord {
  const isParsed = record.status === "ok" || record.status === "parse_error";
  const isWhole = record.output !== undefined && !record.flags.includes("output_capped");
  if (isParsed && !isWhole) return { ...record, flags: [...new Set([...record.flags, KEPT])] };
  const score = scoreSample(job, item, isParsed ? record.output : undefined);
  const {
    parsed: _parsed,
    parse_mode: _mode,
    detections: _boxes,
    level: _level,
    group: _group,
    ...rest
  } = record;
  const { error: _error, ...withoutError } = rest;
  return {
    ...(isParsed ? withoutError : rest),
    ...(score.error === undefined ? {} : { error: score.error }),
    ...(score.parsed === undefined ? {} : { parsed: score.parsed }),
    ...(score.parseMode === undefined ? {} : { parse_mode: score.parseMode }),
    ...(score.detections === undefined ? {} : { detections: score.detections }),
    ...(item.level === undefined ? {} : { level: item.level }),
    ...(item.group === undefined ? {} : { group: item.group }),
    cluster_id: item.cluster ?? item.id,
    scores: score.scores,
    status: isParsed ? (score.status === "ok" ? "ok" : "parse_error") : record.status,
    target_sha: targetSha(item, sha256),
  };
}

/**
 * The jobs by the new rules, each under the name of the old one that asked the same; or why there is none, one line a
 * job. Jobs are matched by prompt, model and dataset; old ones that the new rules leave out are left out.
 */
export function jobsByNewRules(
  old: readonly JobSpec[],
  now: readonly JobSpec[],
): { jobs: JobSpec[]; problems: string[] } {
  const known = new Map(old.map((job) => [nameOf(job), job]));
  const [jobs, problems]: [JobSpec[], string[]] = [[], []];
  for (const job of now) {
    const before = known.get(nameOf(job));
    if (before === undefined) problems.push(`${nameOf(job)} was not asked`);
    else {
      const others = differences(askedBy(before), askedBy(job));
      if (others.length > 0)
        problems.push(`${nameOf(job)}: ${others.join(", ")} would have to be asked again`);
      const { id, samples, shardSize, retry } = before;
      // Jobs may have other numbers by the new rules.
      const judge = job.judge && before.judge && { judge: { ...job.judge, of: before.judge.of } };
      jobs.push({
        ...job,
        ...{ id, samples, shardSize },
        ...(retry === undefined ? {} : { retry }),
        ...judge,
      });
    }
  }
  return { jobs, problems };
}

const nameOf = ({ prompt, model, dataset }: JobSpec): string => `${model.id} × ${prompt.id} × ${dataset.id}`;

/** What decides the answers of a job. Whatever is not known to come after them is among it. */
function askedBy(job: JobSpec): { [part: string]: Json } {
  const { id: _id, metrics: _metrics, samples: _samples, shardSize: _size, warmup: _warmup, ...others } = job;
  const {
    cache: _cache,
    // Its scale; whom and what it is asked stands in model and prompt.
    judge: _judge,
    maxAttempts: _attempts,
    mixedClasses: _mixed,
    scenarios: _scenarios,
    retry: _retry,
    ...kept
  } = others;
  const { prompt, model, dataset, generation, test, ...rest } = kept;
  const {
    name: _name,
    description: _text,
    version: _version,
    sha256: _sha,
    tags: _tags,
    ...promptRest
  } = prompt;
  const { output: _output, fields: _fields, answer: _answer, useCases: _uses, ...asked } = promptRest;
  const { price: _price, ...ownModel } = model;
  const { timeoutS: _timeout, maxRetries: _retries, retryDelayS: _delay, ...settings } = generation;
  const { maxConcurrentRequests: _most, requestDelayS: _pace, ...decisive } = settings;
  return {
    ...flat("prompt", asked),
    ...flat("model", ownModel),
    ...flat("generation", decisive),
    "dataset.items": dataset.items,
    "test_config.max_images_per_sequence": test.maxImagesPerSequence ?? null,
    ...flat("job", rest),
  };
}

const flat = (part: string, value: object): { [name: string]: Json } =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => [`${part}.${name}`, each as Json]),
  );

const differences = (a: { [part: string]: Json }, b: { [part: string]: Json }): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((part) => canonicalJson(a[part] ?? null) !== canonicalJson(b[part] ?? null))
    .sort();

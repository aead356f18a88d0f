/** A small campaign as plan and records, for tests: every field that they do not name has a plain value. */
import type { Item } from "../item.js";
import type { JobSpec, MetricSpec, Plan, PromptSpec } from "../plan.js";
import type { ResultRecord, Status } from "../record.js";
import { scoreSample } from "../score.js";

export function promptForTests(more: Partial<PromptSpec> = {}): PromptSpec {
  const id = more.id ?? "p";
  const base = { id, name: id, description: "", version: "1", template: "", sha256: `sha of ${id}` };
  return { ...base, output: "json", fields: {}, tags: [], useCases: [], ...more };
}

export interface JobForTests {
  model?: string;
  prompt?: Partial<PromptSpec>;
  items: number;
  metrics: (string | MetricSpec)[];
  more?: Partial<JobSpec>;
}

export function planForTests(jobs: readonly JobForTests[]): Plan {
  return {
    v: 1,
    campaign: "c1",
    name: "n",
    description: "d",
    suiteSha256: "s",
    jobs: jobs.map(({ model = "m", prompt, items, metrics, more = {} }, i) => {
      const repetitions = more.repetitions ?? 1;
      return {
        id: `j${String(i).padStart(4, "0")}`,
        prompt: promptForTests(prompt),
        model: { id: model, engine: "ollama", model, options: {} },
        dataset: { id: "d", manifestSha256: "x", items },
        generation: { timeoutS: 1, maxRetries: 0, retryDelayS: 0 },
        engineOptions: {},
        metrics: metrics.map((m) => (typeof m === "string" ? { id: m } : m)),
        test: { iouThreshold: 0.5, confidenceThreshold: 0.5, includeRawResponses: true },
        samples: items * repetitions,
        shardSize: 10,
        warmup: 0,
        maxAttempts: 1,
        ...more,
        repetitions,
      };
    }),
  };
}

/** What a sample gave: an output to parse and score, or the status it failed with. */
export type Given = { output: string } | { status: Status };

/** The record of one sample, scored as the agent does it. It was sent at 0 and done after `ms`. */
export function recordForTests(
  job: JobSpec,
  ordinal: number,
  item: Item,
  given: Given,
  more: Partial<ResultRecord> & { ms?: number } = {},
): ResultRecord {
  const output = "output" in given ? given.output : undefined;
  const score = scoreSample(job, item, output);
  const status = "status" in given ? given.status : score.status === "parse_error" ? "parse_error" : "ok";
  const { ms = 100, ...fields } = more;
  const repetition = Math.floor(ordinal / job.dataset.items);
  return {
    v: 1,
    record_id: `${job.id}/${ordinal}`,
    cache_key: "",
    pair_key: `${item.id}/${repetition}`,
    campaign: "c1",
    job: job.id,
    shard: 0,
    attempt: "1.1",
    ordinal,
    repetition,
    item_id: item.id,
    cluster_id: item.cluster ?? item.id,
    ...(item.level === undefined ? {} : { level: item.level }),
    ...(item.group === undefined ? {} : { group: item.group }),
    prompt: { id: job.prompt.id, version: "1", sha256: job.prompt.sha256 },
    model: { id: job.model.id },
    engine: { kind: job.model.engine, version: "1", args: [] },
    node: { id: "n1", device_class: "cpu", gpu_uuids: [] },
    gen: job.generation,
    cached: false,
    tries: [],
    t_ns: { scheduled: 0, sent: 0, done: ms * 1e6 },
    chunks: 0,
    tokens: { source: "none" },
    server: {},
    status,
    finish: status === "ok" ? "stop" : "error",
    ...(status === "ok"
      ? {}
      : { error: score.error ?? { class: status, message: `${status} of ${item.id}` } }),
    ...(score.parsed === undefined ? {} : { parsed: score.parsed }),
    target_sha: JSON.stringify([item.truth ?? null, item.target ?? null]),
    scores: score.scores,
    ...(score.detections === undefined ? {} : { detections: score.detections }),
    flags: [],
    ...fields,
  };
}

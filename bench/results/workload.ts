/**
 * Campaigns of jobs whose records files lie on the disk. The files of one job are written once, in two variants, and stand
 * for every job's: what a row costs depends neither on whose it is nor on what is said elsewhere.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CampaignSource, JobSource } from "../../coordinator/index/source.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import { sha256 } from "../../shared/runtime/hash.js";

export const SHARD = 250;
const VARIANTS = 2;

export interface Workload {
  /** Records of a job. */
  records: number;
  /** Mean bytes of a record's line. */
  lineBytes: number;
  folder: string;
  hashes: string[][];
}

export function writeWorkload(folder: string, records: number): Workload {
  let bytes = 0;
  const hashes = Array.from({ length: VARIANTS }, (_, variant) => {
    const random = seededRandom(variant + 1);
    mkdirSync(join(folder, String(variant)), { recursive: true });
    return Array.from({ length: records / SHARD }, (_, shard) => {
      const lines = Array.from({ length: SHARD }, (_, i) =>
        JSON.stringify(recordOf(shard * SHARD + i, shard, random)),
      );
      const text = `${lines.join("\n")}\n`;
      bytes += Buffer.byteLength(text);
      writeFileSync(fileOf(folder, variant, shard), text);
      return sha256(text);
    });
  });
  return { records, lineBytes: bytes / records / VARIANTS, folder, hashes };
}

const fileOf = (folder: string, variant: number, shard: number) =>
  join(folder, String(variant), `${shard}.jsonl`);

const WORDS = "the model answers at some length because it was asked to explain how it came to this".split(
  " ",
);

function recordOf(ordinal: number, shard: number, random: () => number): ResultRecord {
  const [queued, first, rest] = [2e6 * random(), 1e8 * (0.5 + random()), 2e9 * random()];
  const sent = ordinal * 1e6 + queued;
  const out = 20 + Math.floor(200 * random());
  const status = random() < 0.01 ? "timeout" : random() < 0.02 ? "parse_error" : "ok";
  const output = Array.from({ length: 40 }, () => WORDS[Math.floor(random() * WORDS.length)]).join(" ");
  return {
    v: 1,
    record_id: sha256(`record ${ordinal}`),
    cache_key: sha256(`cache ${ordinal}`),
    pair_key: sha256(`item ${ordinal}`),
    ...{ campaign: "c", job: "j0000", shard, attempt: "1.1", ordinal, repetition: 0 },
    item_id: `question-${ordinal}`,
    cluster_id: `question-${ordinal}`,
    level: ["clean", "small", "tiny"][ordinal % 3] as string,
    prompt: { id: "ask", version: "1", sha256: sha256("ask") },
    model: { id: "model", digest: sha256("model") },
    engine: { kind: "ollama", version: "0.12.6", args: [] },
    node: { id: `node-${shard % 8}`, device_class: "h200", gpu_uuids: ["GPU-0d1f"] },
    gen: { temperature: 0, max_tokens: 256, seed: 7, timeoutS: 120, maxRetries: 3, retryDelayS: 1 },
    cached: false,
    tries: [{ t_ns: sent, status: "ok" }],
    t_ns: {
      ...{ scheduled: sent - queued, sent, first_byte: sent + first, first_token: sent + first },
      ...{ first_output: sent + first, last_token: sent + first + rest, done: sent + first + rest + 1e5 },
    },
    chunks: out,
    tokens: { in: 120, out, source: "server" },
    server: { load_ns: 1e6, prompt_ns: first, eval_ns: rest },
    status,
    finish: "stop",
    ...(status === "timeout"
      ? { error: { class: "timeout", message: "no answer within 120 s" } }
      : { output }),
    parsed: { answer: String(ordinal % 10) },
    parse_mode: "direct",
    target_sha: sha256(String(ordinal % 10)),
    scores: { exact_match: status === "ok" && random() < 0.7 ? 1 : 0 },
    flags: out > 215 ? ["truncated"] : [],
  };
}

/** Campaigns from the `first` on, each of `jobs` jobs, of which each has all of the workload's records. */
export function campaigns(workload: Workload, first: number, count: number, jobs: number): CampaignSource[] {
  return Array.from({ length: count }, (_, i) => campaign(workload, first + i, jobs));
}

function campaign(workload: Workload, c: number, jobs: number): CampaignSource {
  const id = `c-${String(c).padStart(4, "0")}`;
  const sources = Array.from({ length: jobs }, (_, j) => job(workload, id, c * jobs + j, j));
  return {
    facts: {
      ...{ id, name: `campaign ${c}`, tenant: "default", state: "SUCCEEDED", retryOf: undefined },
      ...{
        createdMs: 1_790_000_000_000 + c * 1000,
        endedMs: 1_790_000_500_000 + c * 1000,
        suiteSha256: sha256(id),
      },
    },
    jobs: sources,
    summary: async () => summary(id, sources, c),
  };
}

function job({ records, folder, hashes }: Workload, campaign: string, nth: number, j: number): JobSource {
  const variant = nth % VARIANTS;
  return {
    cell: {
      ...{ campaign, job: `j${String(j).padStart(4, "0")}`, manifestSha256: sha256(`${campaign} ${j}`) },
      ...{ model: `model-${j % 5}`, engine: "ollama", prompt: "ask", promptSha256: sha256("ask") },
      ...{
        dataset: `questions-${Math.floor(j / 5)}`,
        datasetSha256: sha256(`questions ${Math.floor(j / 5)}`),
      },
      ...{ settings: `{"seed":${Math.floor(nth / 50)}}`, repetitions: 1, planned: records },
    },
    shards: records / SHARD,
    async read(at) {
      // As from the artifact store: the whole file, and its hash compared.
      const lines = readFileSync(fileOf(folder, variant, at));
      if (sha256(lines) !== hashes[variant]?.[at]) throw new Error(`shard ${at} is not what was written`);
      return { index: at, lines, samples: { first: at * SHARD, count: SHARD } };
    },
  };
}

function summary(campaignId: string, jobs: readonly JobSource[], c: number): Summary {
  const metric = (id: string, value: number, unit: string, higherIsBetter: boolean) => ({
    ...{ id, value, reason: "", unit, n: 1000, higherIsBetter },
    interval: { lo: value - 0.01, hi: value + 0.01, method: "wilson" },
  });
  const cells = jobs.map(({ cell }, j) => ({
    ...{ job: cell.job, engineVersion: "0.12.6", modelDigest: "d", simulated: false, ranks: [] },
    counts: { ok: 900, parseError: 50, refused: 0, engineError: 0, timeout: 50, oom: 0, poison: 0 },
    e2eMs: { p50: 900 + j, p95: 1900 + j },
    ttftMs: { p50: 90, p95: 140 },
    metrics: [
      metric("exact_match", 0.5 + j / 100 + c / 10_000, "ratio", true),
      metric("parse_success_rate", 0.95, "ratio", true),
      metric("latency", 900 + j, "ms", false),
    ],
  }));
  return { campaignId, cells } as unknown as Summary;
}

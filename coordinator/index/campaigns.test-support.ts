/**
 * Campaigns that have ended, made from a seed: their records are files of an artifact store, and what they should be in
 * the index is computed here from those files, by other code than the index's.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { Row } from "./database.js";
import type { CampaignSource, JobSource } from "./source.js";

export interface Shape {
  campaigns: number;
  jobs: number;
  shards: number;
  /** Records of a shard. */
  records: number;
}

const STATUSES = ["ok", "ok", "ok", "ok", "parse_error", "refused", "timeout", "engine_error"] as const;

/** Writes the records files below `folder`, where they are not there yet. */
export function writeCampaigns(folder: string, shape: Shape, seed: number): void {
  for (let c = 0; c < shape.campaigns; c++)
    for (let j = 0; j < shape.jobs; j++)
      for (let s = 0; s < shape.shards; s++) {
        const random = seededRandom(seed * 1_000_003 + c * 10_007 + j * 101 + s);
        const records = Array.from({ length: shape.records }, (_, i) =>
          recordOf(`c-${c}`, `j${j}`, s, s * shape.records + i, random),
        );
        const path = join(folder, `c-${c}`, `j${j}`, String(s));
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, `${records.map((record) => JSON.stringify(record)).join("\n")}\n`);
      }
}

function recordOf(
  campaign: string,
  job: string,
  shard: number,
  ordinal: number,
  random: () => number,
): ResultRecord {
  const status = STATUSES[Math.floor(random() * STATUSES.length)] ?? "ok";
  const [sent, first, last] = [1e9 * random(), 1e8 * random(), 1e9 * random()];
  const tokens = 2 + Math.floor(random() * 100);
  const odd = random();
  return {
    v: 1,
    record_id: sha256(`${campaign} ${job} ${ordinal}`),
    cache_key: "",
    pair_key: sha256(`item ${ordinal}`),
    ...{ campaign, job, shard, ordinal, attempt: "1.1", repetition: 0 },
    item_id: odd < 0.05 ? `tab\tback\\slash\nline ü ${ordinal}` : `q${ordinal}`,
    cluster_id: `cluster ${ordinal % 7}`,
    ...(odd < 0.5 ? { level: "tiny" } : {}),
    prompt: { id: "p", version: "1", sha256: "p" },
    model: { id: job },
    engine: { kind: "simulated", version: "1", args: [] },
    node: { id: `n${ordinal % 3}`, device_class: "cpu", gpu_uuids: [] },
    gen: { timeoutS: 1, maxRetries: 0, retryDelayS: 1 },
    cached: random() < 0.1,
    tries: [],
    t_ns: {
      scheduled: sent,
      sent,
      first_token: sent + first,
      last_token: sent + first + last,
      done: sent + first + last,
    },
    chunks: tokens,
    tokens: { in: 7, out: tokens, source: "server" },
    server: {},
    status,
    finish: "stop",
    ...(status === "engine_error" ? { error: { class: "media_missing", message: "no such picture" } } : {}),
    target_sha: sha256(`truth of ${ordinal}`),
    scores: { exact_match: Number(random() < 0.7), ...(odd < 0.3 ? { 'a "quoted\\one"': random() } : {}) },
    ...(odd < 0.2 ? { cost_usd: random() } : {}),
    flags: odd < 0.1 ? ["truncated", 'odd "one, with {braces}\\'] : [],
  };
}

/** The campaigns below `folder` as the index takes them in. */
export function campaignSources(folder: string): CampaignSource[] {
  return readdirSync(folder)
    .sort()
    .map((id, c) => {
      const jobs = readdirSync(join(folder, id)).sort();
      return {
        facts: {
          ...{ id, name: `campaign ${id}`, tenant: "default", state: "SUCCEEDED", retryOf: undefined },
          ...{ createdMs: 1_700_000_000_000, endedMs: 1_700_000_000_000 + c * 1000, suiteSha256: "suite" },
        },
        jobs: jobs.map((job) => jobSource(folder, id, job)),
        summary: async () => summaryOf(id, jobs, c),
      };
    });
}

function jobSource(folder: string, campaign: string, job: string): JobSource {
  const shards = readdirSync(join(folder, campaign, job)).sort((a, b) => Number(a) - Number(b));
  const linesOf = (shard: string) => readFileSync(join(folder, campaign, job, shard));
  const count = (
    linesOf(shards[0] ?? "")
      .toString()
      .match(/\n/g) ?? []
  ).length;
  return {
    cell: {
      ...{
        campaign,
        job,
        manifestSha256: sha256(`${campaign}/${job}`),
        model: `model ${job}`,
        engine: "simulated",
      },
      ...{ prompt: "p", promptSha256: "p", dataset: "d", datasetSha256: "d", settings: "{}", repetitions: 1 },
      planned: count * shards.length,
    },
    shards: shards.length,
    read: async (at) => ({
      index: at,
      lines: linesOf(shards[at] ?? ""),
      samples: { first: at * count, count },
    }),
  };
}

/** Only what the index takes of it. */
function summaryOf(campaignId: string, jobs: readonly string[], c: number): Summary {
  const cells = jobs.map((job, j) => ({
    ...{
      job,
      engineVersion: "1",
      modelDigest: "",
      simulated: true,
      ranks: [{ metric: "exact_match", rank: j + 1 }],
    },
    counts: { planned: 9, ok: 5, parseError: 1, refused: 1, engineError: 1, timeout: 1, oom: 0, poison: 0 },
    e2eMs: { p50: 10 + j, p95: 20 + j },
    metrics: [
      {
        ...{
          id: "exact_match",
          value: 0.5 + j / 10 + c / 100,
          reason: "",
          unit: "ratio",
          n: 9,
          higherIsBetter: true,
        },
        interval: { lo: 0.4, hi: 0.9, method: "wilson" },
      },
      { id: "latency", value: 10 - j, reason: "", unit: "ms", n: 9, higherIsBetter: false },
      { id: "cost", reason: "the model has no price", unit: "usd", n: 0, higherIsBetter: false },
    ],
  }));
  return { campaignId, cells } as unknown as Summary;
}

/** One text for every row that the files below `folder` should have given, from the files alone. */
export function expectedRows(folder: string): string[] {
  const rows: string[] = [];
  for (const campaign of readdirSync(folder))
    for (const job of readdirSync(join(folder, campaign)))
      for (const shard of readdirSync(join(folder, campaign, job)))
        for (const line of readFileSync(join(folder, campaign, job, shard), "utf8").split("\n"))
          if (line !== "") rows.push(expectedRow(JSON.parse(line) as ResultRecord));
  return rows.sort();
}

function expectedRow(r: ResultRecord): string {
  const answered = ["ok", "parse_error", "refused"].includes(r.status) && !r.cached;
  const { sent, first_token = 0, last_token = 0 } = r.t_ns;
  const n = r.tokens.out ?? 0;
  return JSON.stringify([
    ...[
      r.campaign,
      r.job,
      r.ordinal,
      r.shard,
      r.repetition,
      r.status,
      r.cached,
      r.node.id,
      r.item_id,
      r.cluster_id,
    ],
    ...[r.level ?? null, r.pair_key.slice(0, 32), r.target_sha.slice(0, 32)],
    answered ? (last_token - sent) / 1e6 : null,
    answered ? (first_token - sent) / 1e6 : null,
    answered ? (last_token - first_token) / 1e6 / (n - 1) : null,
    ...[r.tokens.in ?? null, r.tokens.out ?? null, r.cost_usd ?? null, r.error?.class ?? null],
    r.flags.length === 0 ? null : r.flags,
    Object.entries(r.scores).sort(),
  ]);
}

/** The same of what is in the index. */
export const FOUND_ROWS = `
  select c.campaign, c.job, s.ordinal, s.shard, s.repetition, s.status, s.cached, s.node, s.item, s.cluster, s.level,
    replace(s.pair::text, '-', '') pair, replace(s.target::text, '-', '') target, s.e2e_ms, s.ttft_ms, s.tpot_ms,
    s.tokens_in::int tokens_in, s.tokens_out::int tokens_out, s.cost_usd, s.error_class, s.flags, s.scores
  from sai_results.sample s join sai_results.cell c on c.generation = s.generation and c.id = s.cell
  where s.generation = (select id from sai_results.generation where state = 'current')`;

export const foundRows = (rows: readonly Row[]): string[] =>
  rows
    .map(({ scores, ...row }) =>
      JSON.stringify([...Object.values(row), Object.entries(scores as object).sort()]),
    )
    .sort();

/**
 * Where the index's own notes say otherwise than its rows: a job's or a campaign's sum of records, and rows or notes of a
 * generation that is not there. Nothing comes out of an index that is whole.
 */
export const DISAGREEMENTS = `
  with of_job as (
    select s.generation, c.campaign, c.job, count(*) n
    from sai_results.sample s left join sai_results.cell c on c.generation = s.generation and c.id = s.cell
    group by s.generation, c.campaign, c.job
  ), of_campaign as (select generation, campaign, sum(n) n from of_job group by generation, campaign)
  select 'job' what, generation::text, campaign, job, i.records::text noted, j.n::text rows
    from sai_results.ingested i full join of_job j using (generation, campaign, job) where i.records is distinct from j.n
  union all
  select 'campaign', generation::text, k.campaign, '', k.records::text, j.n::text
    from (select generation, id campaign, records from sai_results.campaign) k
    join of_campaign j using (generation, campaign) where k.records <> j.n
  union all
  select 'generation', generation::text, campaign, job, null, null from sai_results.ingested
    where generation not in (select id from sai_results.generation)`;

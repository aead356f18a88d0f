/**
 * The leaderboard: what models reached by one metric, over all campaigns, from what their summaries said. Cells compare
 * only where prompt, dataset and generation settings are the same by hash; of what was measured several times in the same
 * way the newest counts.
 *
 * It is ordered by the metric, which is no test: whether a difference is one, paired comparisons tell.
 */
import type { Database, Param } from "./database.js";

export interface LeaderboardQuery {
  /** Empty: the share of what is right that most cells have. */
  metric: string;
  /** Only these; empty for all. With `*` for any text. */
  model: string;
  engine: string;
  prompt: string;
  dataset: string;
  campaign: string;
  tenant: string;
  /** Every campaign's cells, not only the newest of those that compare. */
  all: boolean;
  limit: number;
}

export interface Place {
  campaign: string;
  job: string;
  model: string;
  engine: string;
  engineVersion: string;
  simulated: boolean;
  prompt: string;
  dataset: string;
  datasetSha256: string;
  settings: string;
  endedMs: number;
  value: number;
  lo: number | undefined;
  hi: number | undefined;
  /** wilson or cluster-bootstrap; empty without an interval. */
  method: string;
  n: number;
  planned: number;
  answered: number;
  failed: number;
  e2eP50Ms: number | undefined;
  e2eP95Ms: number | undefined;
  ttftP50Ms: number | undefined;
  tpotP50Ms: number | undefined;
  /** Among the models of its campaign. */
  rank: number | undefined;
}

export interface Leaderboard {
  metric: string;
  unit: string;
  higherIsBetter: boolean;
  places: Place[];
  /** How many there are. */
  total: number;
  /** Metrics that could be asked for, the one that most cells have first. */
  metrics: string[];
}

export async function leaderboard(
  db: Database,
  generation: number,
  query: LeaderboardQuery,
): Promise<Leaderboard> {
  const metrics = await db.query<{ metric: string; unit: string; higher: boolean }>(
    `select metric, min(unit) unit, bool_and(higher_is_better) higher from sai_results.cell_metric
     where generation = $1 and value is not null group by metric
     order by (min(unit) = 'ratio' and bool_and(higher_is_better)) desc, count(*) desc, metric`,
    [generation],
  );
  const wanted = query.metric === "" ? metrics[0] : metrics.find(({ metric }) => metric === query.metric);
  const head = {
    metric: wanted?.metric ?? query.metric,
    unit: wanted?.unit ?? "",
    higherIsBetter: wanted?.higher ?? true,
    metrics: metrics.map(({ metric }) => metric),
  };
  if (wanted === undefined) return { ...head, places: [], total: 0 };
  const params: Param[] = [generation, head.metric];
  const filters = (["model", "engine", "prompt", "dataset", "campaign"] as const).flatMap((name) =>
    query[name] === "" ? [] : [`c.${name} like ${like(query[name], params)}`],
  );
  if (query.tenant !== "") filters.push(`k.tenant like ${like(query.tenant, params)}`);
  params.push(query.limit);
  const rows = await db.query<{ [column: string]: never }>(
    `with chosen as (
       select ${query.all ? "" : "distinct on (c.model, c.engine, c.prompt_sha256, c.dataset_sha256, c.settings)"}
         c.*, k.ended_ms, m.value, m.lo, m.hi, m.method, m.n, m.rank
       from sai_results.cell_metric m
       join sai_results.cell c on c.generation = m.generation and c.id = m.cell
       join sai_results.campaign k on k.generation = c.generation and k.id = c.campaign
       where m.generation = $1 and m.metric = $2 and m.value is not null
         ${filters.map((filter) => `and ${filter}`).join(" ")}
       order by c.model, c.engine, c.prompt_sha256, c.dataset_sha256, c.settings, k.ended_ms desc, k.id desc, c.job
     )
     select *, count(*) over () total from chosen
     order by dataset, dataset_sha256, prompt, prompt_sha256, value ${head.higherIsBetter ? "desc" : "asc"}, model, engine,
       settings, ended_ms desc, campaign, job
     limit $${params.length}`,
    params,
  );
  return { ...head, places: rows.map(placeOf), total: Number(rows[0]?.["total"] ?? 0) };
}

function like(pattern: string, params: Param[]): string {
  params.push(
    pattern
      .replaceAll("\0", "")
      .replace(/[\\%_]/g, "\\$&")
      .replaceAll("*", "%"),
  );
  return `$${params.length}`;
}

function placeOf(row: { [column: string]: never }): Place {
  const text = (name: string): string => row[name] ?? "";
  const number = (name: string): number | undefined => (row[name] === null ? undefined : Number(row[name]));
  return {
    ...{ campaign: text("campaign"), job: text("job"), model: text("model"), engine: text("engine") },
    ...{ engineVersion: text("engine_version"), simulated: row["simulated"] === true },
    ...{ prompt: text("prompt"), dataset: text("dataset"), datasetSha256: text("dataset_sha256") },
    ...{ settings: text("settings"), endedMs: number("ended_ms") ?? 0 },
    ...{
      value: number("value") ?? 0,
      lo: number("lo"),
      hi: number("hi"),
      method: text("method"),
      n: number("n") ?? 0,
    },
    ...{ planned: number("planned") ?? 0, answered: number("answered") ?? 0, failed: number("failed") ?? 0 },
    ...{ e2eP50Ms: number("e2e_p50_ms"), e2eP95Ms: number("e2e_p95_ms") },
    ...{ ttftP50Ms: number("ttft_p50_ms"), tpotP50Ms: number("tpot_p50_ms"), rank: number("rank") },
  };
}

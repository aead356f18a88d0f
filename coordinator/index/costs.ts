/**
 * What campaigns that have ended cost, by model, tenant, campaign or day (UTC) of their end: money by the costs in their
 * records, and tokens. What no record says is not there, rather than 0. A retry counts what it ran itself.
 */
import type { Database, Param } from "./database.js";

export const COSTS_BY = ["model", "tenant", "campaign", "day"] as const;
export type CostsBy = (typeof COSTS_BY)[number];

export interface CostsQuery {
  by: CostsBy;
  /** Only campaigns that ended at this time or later, wall ms; 0 for all. */
  sinceMs: number;
  limit: number;
}

export interface CostRow {
  name: string;
  campaigns: number;
  /** Records, cached ones among them. */
  samples: number;
  usd: number | undefined;
  /** Answered by a model, and nobody knows at what price. */
  unpriced: number;
  tokensIn: number | undefined;
  tokensOut: number | undefined;
}

/** The dearest first; days the newest first. */
export interface Costs {
  rows: CostRow[];
  /** How many there are. */
  total: number;
}

const KEYS: { readonly [by in CostsBy]: string } = {
  model: "c.model",
  tenant: "k.tenant",
  campaign: "k.id",
  day: "to_char(to_timestamp(k.ended_ms / 1000.0) at time zone 'UTC', 'YYYY-MM-DD')",
};

export async function costs(
  db: Database,
  generation: number,
  { by, sinceMs, limit }: CostsQuery,
): Promise<Costs> {
  const params: Param[] = [generation, sinceMs, limit];
  const rows = await db.query<{ [column: string]: string | number | null }>(
    `select ${KEYS[by]} name, count(distinct k.id) campaigns, count(*) samples, sum(s.cost_usd) usd,
       count(*) filter (where s.cost_usd is null and not s.cached and s.status in ('ok', 'parse_error', 'refused')) unpriced,
       sum(s.tokens_in) tokens_in, sum(s.tokens_out) tokens_out, count(*) over () total
     from sai_results.sample s
     join sai_results.cell c on c.generation = s.generation and c.id = s.cell
     join sai_results.campaign k on k.generation = c.generation and k.id = c.campaign
     where s.generation = $1 and k.ended_ms >= $2
     group by 1 order by ${by === "day" ? "" : "sum(s.cost_usd) desc nulls last, "}1${by === "day" ? " desc" : ""} limit $3`,
    params,
  );
  const known = (value: string | number | null | undefined): number | undefined =>
    value === null || value === undefined ? undefined : Number(value);
  return {
    rows: rows.map((row) => ({
      name: String(row["name"] ?? ""),
      campaigns: Number(row["campaigns"]),
      samples: Number(row["samples"]),
      usd: known(row["usd"]),
      unpriced: Number(row["unpriced"]),
      tokensIn: known(row["tokens_in"]),
      tokensOut: known(row["tokens_out"]),
    })),
    total: Number(rows[0]?.["total"] ?? 0),
  };
}

/** Samples of all campaigns by conditions: where they are (their texts are in the artifacts), and how long they took. */
import { SaiError } from "../../shared/runtime/errors.js";
import type { Database, Param } from "./database.js";
import { readWhere } from "./where.js";

/** Where a sample's record lies. */
export interface FoundSample {
  campaign: string;
  job: string;
  shard: number;
  ordinal: number;
}

export interface SamplesPage {
  samples: FoundSample[];
  /** Of the next page; empty on the last one. */
  cursor: string;
}

/**
 * A page of the samples for which all conditions hold, campaign by campaign in the order in which they came in, by job
 * and ordinal. The cursor is of one generation; after a rebuild it is refused.
 */
export async function findSamples(
  db: Database,
  generation: number,
  { where, size, cursor }: { where: readonly string[]; size: number; cursor: string },
): Promise<SamplesPage> {
  const [afterCell, afterOrdinal] = readCursor(cursor, generation);
  const params: { cells: Param[]; samples: Param[] } = { cells: [generation, afterCell], samples: [] };
  params.samples = [generation, [], afterCell, afterOrdinal, size + 1];
  const sql = readWhere(where, params);
  const cells = await db.query<{ id: number; campaign: string; job: string }>(
    `${CELLS} and c.id >= $2 and ${sql.cells} order by c.id`,
    params.cells,
  );
  params.samples[1] = cells.map(({ id }) => id);
  const rows = await db.query<{ cell: number; shard: number; ordinal: number }>(
    `select s.cell, s.shard, s.ordinal from sai_results.sample s
     where s.generation = $1 and s.cell = any($2::int[]) and (s.cell, s.ordinal) > ($3::int, $4::int) and ${sql.samples}
     order by s.cell, s.ordinal limit $5`,
    params.samples,
  );
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  const page = rows.slice(0, size);
  const last = page.at(-1);
  return {
    samples: page.map(({ cell, shard, ordinal }) => {
      const { campaign = "", job = "" } = byId.get(cell) ?? {};
      return { campaign, job, shard, ordinal };
    }),
    cursor: last !== undefined && rows.length > size ? `${generation}.${last.cell}.${last.ordinal}` : "",
  };
}

export const TIMES = ["e2e_ms", "ttft_ms", "tpot_ms"] as const;
const SHARES = [0, 0.5, 0.9, 0.95, 0.99, 1];

/** The distribution of a time over the samples for which all conditions hold, from their raw values. */
export interface Times {
  n: number;
  mean: number;
  /** Of SHARES: smallest, p50, p90, p95, p99, largest; empty without values. */
  percentiles: number[];
}

export async function timesOfSamples(
  db: Database,
  generation: number,
  { where, time }: { where: readonly string[]; time: (typeof TIMES)[number] },
): Promise<Times> {
  const params: { cells: Param[]; samples: Param[] } = {
    cells: [generation],
    samples: [generation, [], SHARES],
  };
  const sql = readWhere(where, params);
  const cells = await db.query<{ id: number }>(`${CELLS} and ${sql.cells}`, params.cells);
  params.samples[1] = cells.map(({ id }) => id);
  const [row] = await db.query<{ n: string; mean: number | null; p: number[] | null }>(
    `select count(s.${time}) n, avg(s.${time}) mean,
       percentile_cont($3::double precision[]) within group (order by s.${time}) p
     from sai_results.sample s where s.generation = $1 and s.cell = any($2::int[]) and ${sql.samples}`,
    params.samples,
  );
  return { n: Number(row?.n ?? 0), mean: row?.mean ?? 0, percentiles: row?.p ?? [] };
}

const CELLS = `select c.id, c.campaign, c.job from sai_results.cell c
  join sai_results.campaign k on k.generation = c.generation and k.id = c.campaign where c.generation = $1`;

function readCursor(cursor: string, generation: number): [cell: number, ordinal: number] {
  if (cursor === "") return [0, -1];
  const [, of, cell, ordinal] = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})$/.exec(cursor) ?? [];
  if (Number(of) === generation) return [Number(cell), Number(ordinal)];
  const description =
    of === undefined ? "was not given by a previous answer" : "is of an index that was rebuilt since";
  throw new SaiError("invalid_argument", "the request cannot be accepted", {
    violations: [{ field: "page_token", description }],
    hint: "ask again without it",
  });
}

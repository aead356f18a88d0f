/**
 * Writing campaigns into a generation of the index, from the artifacts.
 *
 * 1. Rows and the note that they are there are written in one transaction: a batch is in the index once, or not yet,
 *    whenever the process dies.
 * 2. A batch follows on what is noted, or it is refused: two who write at once cannot both have written it.
 * 3. A campaign answers queries once all of it is there.
 * 4. What is no record of a sample of its shard is left out and counted; nothing in a file keeps the rest from going in.
 */
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Database, Session, Transaction } from "./database.js";
import type { Batch, CampaignFacts, CellFacts, CellSummary, ShardLines } from "./messages.js";
import { beginOf, COLUMNS, rowOf } from "./row.js";

/** Shards of each job of a campaign that a generation has. */
export async function ingestedShards(
  db: Database,
  generation: number,
  campaign: string,
): Promise<{ job: string; shards: number }[]> {
  return db.query("select job, shards from sai_results.ingested where generation = $1 and campaign = $2", [
    generation,
    campaign,
  ]);
}

/** Ids of the campaigns that a generation has as a whole. */
export async function ingestedCampaigns(db: Database, generation: number): Promise<string[]> {
  const rows = await db.query<{ id: string }>("select id from sai_results.campaign where generation = $1", [
    generation,
  ]);
  return rows.map(({ id }) => id);
}

/** Takes in the next shards of a job; answers how many records they had. */
export async function addBatch(
  db: Database,
  generation: number,
  { cell, from, shards }: Batch,
): Promise<{ records: number; strangers: number }> {
  return db.transaction(async (tx) => {
    const { campaign, job, manifestSha256 } = cell;
    const [known = { shards: 0, manifest_sha256: manifestSha256 }] = await tx.query<{
      shards: number;
      manifest_sha256: string;
    }>(
      `select shards, manifest_sha256 from sai_results.ingested
       where generation = $1 and campaign = $2 and job = $3 for update`,
      [generation, campaign, job],
    );
    // Invariant 2; of two that both find nothing the keys of the rows let one through.
    if (known.shards !== from || known.manifest_sha256 !== manifestSha256) throw overtaken(campaign, job);
    const id = await cellId(tx, generation, cell);
    const counts = { records: 0, strangers: 0 };
    const pieces = rowsOf(shards, { generation, cell: id }, counts);
    await tx.copy(`sai_results.sample_${generation}`, COLUMNS, pieces);
    await tx.query(
      `insert into sai_results.ingested as i (generation, campaign, job, manifest_sha256, shards, records, strangers)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (generation, campaign, job) do update set
         shards = excluded.shards, records = i.records + excluded.records, strangers = i.strangers + excluded.strangers`,
      [
        ...[generation, campaign, job, manifestSha256, from + shards.length],
        ...[counts.records, counts.strangers],
      ],
    );
    return counts;
  });
}

/** Ends a campaign: all its batches are there, or `problem` says what could not be read. */
export async function finishCampaign(
  db: Database,
  generation: number,
  campaign: CampaignFacts,
  cells: readonly CellFacts[],
  summary: readonly CellSummary[],
  problem: string,
): Promise<void> {
  await db.transaction(async (tx) => {
    for (const cell of cells) {
      const id = await cellId(tx, generation, cell);
      const said = summary.find(({ job }) => job === cell.job);
      if (said !== undefined) await writeSummary(tx, generation, id, said);
    }
    await tx.query(
      `insert into sai_results.campaign (generation, id, name, tenant, state, retry_of, created_ms, ended_ms,
         suite_sha256, problem, records)
       select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce(sum(records), 0)::bigint
       from sai_results.ingested where generation = $1 and campaign = $2`,
      [
        ...[
          generation,
          campaign.id,
          sql(campaign.name),
          campaign.tenant,
          campaign.state,
          campaign.retryOf ?? null,
        ],
        ...[campaign.createdMs, campaign.endedMs, campaign.suiteSha256, sql(problem)],
      ],
    );
  });
}

/** Removes all of a campaign, whole or begun. */
export async function forgetCampaign(db: Database, generation: number, campaign: string): Promise<void> {
  const whose = [generation, campaign];
  await db.transaction(async (tx) => {
    const cells = await tx.query<{ id: number }>(
      "select id from sai_results.cell where generation = $1 and campaign = $2",
      whose,
    );
    const ids = cells.map(({ id }) => id);
    for (const table of [`sample_${generation}`, "cell_metric"])
      await tx.query(`delete from sai_results.${table} where generation = $1 and cell = any($2::int[])`, [
        generation,
        ids,
      ]);
    for (const table of ["cell", "ingested"])
      await tx.query(`delete from sai_results.${table} where generation = $1 and campaign = $2`, whose);
    await tx.query("delete from sai_results.campaign where generation = $1 and id = $2", whose);
  });
}

/** A job's number in the index; it gets one here. */
async function cellId(tx: Session, generation: number, cell: CellFacts): Promise<number> {
  const key = [generation, cell.campaign, cell.job];
  const find = () =>
    tx.query<{ id: number }>(
      "select id from sai_results.cell where generation = $1 and campaign = $2 and job = $3",
      key,
    );
  const [known] = await find();
  if (known !== undefined) return known.id;
  await tx.query(
    `insert into sai_results.cell (generation, campaign, job, model, engine, prompt, prompt_sha256, dataset,
       dataset_sha256, settings, repetitions, planned, simulated)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict do nothing`,
    [
      ...[...key, sql(cell.model), cell.engine, sql(cell.prompt), cell.promptSha256, sql(cell.dataset)],
      ...[
        cell.datasetSha256,
        sql(cell.settings),
        cell.repetitions,
        cell.planned,
        cell.engine === "simulated",
      ],
    ],
  );
  const [made] = await find();
  if (made === undefined) throw overtaken(cell.campaign, cell.job);
  return made.id;
}

async function writeSummary(
  tx: Transaction,
  generation: number,
  id: number,
  said: CellSummary,
): Promise<void> {
  await tx.query(
    `update sai_results.cell set engine_version = $3, model_digest = $4, simulated = $5, answered = $6, failed = $7,
       e2e_p50_ms = $8, e2e_p95_ms = $9, ttft_p50_ms = $10, ttft_p95_ms = $11, tpot_p50_ms = $12
     where generation = $1 and id = $2`,
    [
      ...[
        generation,
        id,
        sql(said.engineVersion),
        sql(said.modelDigest),
        said.simulated,
        said.answered,
        said.failed,
      ],
      ...[said.e2eP50Ms, said.e2eP95Ms, said.ttftP50Ms, said.ttftP95Ms, said.tpotP50Ms].map(
        (ms) => ms ?? null,
      ),
    ],
  );
  for (const metric of said.metrics) {
    await tx.query(
      `insert into sai_results.cell_metric (generation, cell, metric, value, reason, unit, n, lo, hi, method,
         higher_is_better, rank)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
      [
        ...[generation, id, sql(metric.id), metric.value ?? null, sql(metric.reason), metric.unit, metric.n],
        ...[
          metric.lo ?? null,
          metric.hi ?? null,
          metric.method ?? null,
          metric.higherIsBetter,
          metric.rank ?? null,
        ],
      ],
    );
  }
}

/** Text that comes from files; NUL is nothing SQL has. */
const sql = (text: string): string => text.replaceAll("\0", "\ufffd");

const PIECE = 256 * 1024;

/** Rows of the shards' records, in pieces of whole lines; what comes out is added to `counts`. */
async function* rowsOf(
  shards: readonly ShardLines[],
  place: { generation: number; cell: number },
  counts: { records: number; strangers: number },
): AsyncGenerator<Buffer> {
  let rows = "";
  for (const { index, lines, samples } of shards) {
    const isOwn = ownership(samples);
    const begin = beginOf({ ...place, shard: index });
    const text = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString("utf8");
    for (let from = 0; from < text.length; ) {
      const end = text.indexOf("\n", from);
      const to = end < 0 ? text.length : end;
      const row = to > from ? rowIn(text, from, to, isOwn, begin) : "";
      from = to + 1;
      if (row === "") continue;
      counts[row === undefined ? "strangers" : "records"] += 1; // invariant 4
      rows += row ?? "";
      if (rows.length < PIECE) continue;
      yield Buffer.from(rows);
      rows = "";
    }
  }
  if (rows !== "") yield Buffer.from(rows);
}

/** The row of a line; undefined for what is none of its shard's records. */
function rowIn(
  text: string,
  from: number,
  to: number,
  isOwn: (ordinal: unknown) => boolean,
  begin: string,
): string | undefined {
  try {
    const record = JSON.parse(text.slice(from, to)) as ResultRecord | null;
    return record !== null && isOwn(record.ordinal) ? rowOf(record, begin) : undefined;
  } catch {
    return undefined;
  }
}

/** Says of each ordinal once whether it is one of these. */
function ownership(samples: ShardLines["samples"]): (ordinal: unknown) => boolean {
  if (Array.isArray(samples)) {
    const left = new Set<unknown>(samples);
    return (ordinal) => left.delete(ordinal);
  }
  const { first, count } = samples;
  const seen = new Uint8Array(count);
  return (ordinal) => {
    const at = typeof ordinal === "number" ? ordinal - first : -1;
    if (seen[at] !== 0) return false; // undefined: none of them
    seen[at] = 1;
    return true;
  };
}

const overtaken = (campaign: string, job: string) =>
  new SaiError(
    "unavailable",
    `another coordinator has written ${job} of ${campaign} into the results index meanwhile`,
  );

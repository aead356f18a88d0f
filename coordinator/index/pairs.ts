/**
 * Two jobs side by side: samples of the same item and repetition, matched by pair_key, and one score of each. What
 * cannot be compared is counted: samples whose truth is another, and those without a partner.
 */
import { SaiError } from "../../shared/runtime/errors.js";
import type { Database } from "./database.js";

export interface JobName {
  campaign: string;
  job: string;
}

export interface Pairs {
  /** Pairs with a score on both sides, and the same truth. */
  n: number;
  meanA: number;
  meanB: number;
  /** Pairs in which a, or b, has the higher score. */
  aHigher: number;
  bHigher: number;
  /** Pairs left out because their truths differ. */
  otherTruth: number;
  /** Samples of each that are in no pair. */
  aAlone: number;
  bAlone: number;
  /** The pairs whose scores differ most, by ordinal of a among equals; `limit` at most. */
  flips: { ordinalA: number; ordinalB: number; item: string; scoreA: number; scoreB: number }[];
}

/** Failed samples score 0, as they count as wrong; cancelled ones were not run and take no part. */
const SIDE = (cell: string, score: string) =>
  `select ordinal, item, pair, target, coalesce((scores ->> ${score}::text)::double precision,
     case when status in ('engine_error', 'timeout', 'oom', 'poison') then 0 end) score
   from sai_results.sample where generation = $1 and cell = ${cell}::int and status <> 'cancelled'`;

const PAIRS = `(select a.ordinal ordinal_a, b.ordinal ordinal_b, a.item, a.score score_a, b.score score_b,
    a.target is not distinct from b.target same from (${SIDE("$2", "$4")}) a join (${SIDE("$3", "$4")}) b on b.pair = a.pair)`;
const GOOD = "same and score_a is not null and score_b is not null";

export async function pairSamples(
  db: Database,
  generation: number,
  { a, b, score, limit }: { a: JobName; b: JobName; score: string; limit: number },
): Promise<Pairs> {
  const cells = await Promise.all([a, b].map((job) => cellOf(db, generation, job)));
  const params = [generation, ...cells, score];
  const [sums = {}] = await db.query<{ [column: string]: unknown }>(
    `select count(*) pairs, count(*) filter (where ${GOOD}) n,
       avg(score_a) filter (where ${GOOD}) mean_a, avg(score_b) filter (where ${GOOD}) mean_b,
       count(*) filter (where ${GOOD} and score_a > score_b) a_higher,
       count(*) filter (where ${GOOD} and score_b > score_a) b_higher,
       count(*) filter (where not same) other_truth,
       (select count(*) from (${SIDE("$2", "$4")}) a) a_all, (select count(*) from (${SIDE("$3", "$4")}) b) b_all
     from ${PAIRS} ab`,
    params,
  );
  const flips = await db.query<{
    ordinal_a: number;
    ordinal_b: number;
    item: string;
    score_a: number;
    score_b: number;
  }>(
    `select * from ${PAIRS} ab where same and score_a <> score_b
     order by abs(score_a - score_b) desc, ordinal_a, ordinal_b limit $5`,
    [...params, limit],
  );
  const count = (name: string): number => Number(sums[name] ?? 0);
  return {
    ...{ n: count("n"), meanA: count("mean_a"), meanB: count("mean_b") },
    ...{ aHigher: count("a_higher"), bHigher: count("b_higher"), otherTruth: count("other_truth") },
    ...{ aAlone: count("a_all") - count("pairs"), bAlone: count("b_all") - count("pairs") },
    flips: flips.map((row) => ({
      ...{ ordinalA: row.ordinal_a, ordinalB: row.ordinal_b, item: row.item },
      ...{ scoreA: row.score_a, scoreB: row.score_b },
    })),
  };
}

async function cellOf(db: Database, generation: number, { campaign, job }: JobName): Promise<number> {
  const [cell] = await db.query<{ id: number }>(
    `select c.id from sai_results.cell c join sai_results.campaign k on k.generation = c.generation and k.id = c.campaign
     where c.generation = $1 and c.campaign = $2 and c.job = $3`,
    [generation, campaign.replaceAll("\0", ""), job.replaceAll("\0", "")],
  );
  if (cell !== undefined) return cell.id;
  throw new SaiError(
    "not_found",
    `the results index has no job ${job.slice(0, 80)} of ${campaign.slice(0, 80)}`,
    {
      hint: "a campaign is there once it has ended; `sai admin status` shows how many are still to come",
    },
  );
}

/**
 * Generations of the index: one answers, and beside it one may be built that takes its place when it is whole.
 *
 * 1. There is one current generation, and one that is being built at most.
 * 2. What answers changes in one transaction; the rows of the generation before go afterwards, and if the process dies
 *    in between, at the next start.
 * 3. Rows of another cluster's campaigns are never mixed with ours, nor removed.
 */
import { SaiError } from "../../shared/runtime/errors.js";
import type { Database, Session } from "./database.js";
import type { Generations } from "./messages.js";
import { LAYOUT } from "./row.js";

interface Found {
  [column: string]: unknown;
  id: number;
  state: "building" | "current" | "old";
  cluster: string;
  layout: number;
}

/** Of pg_advisory_xact_lock: "sai" and what for. */
const LOCK = [0x736169, 2] as const;

/**
 * The generations there are; the first one is made where there is none, and one whose rows were made otherwise than this
 * version does begins to be replaced. Throws failed_precondition when the database is another cluster's.
 */
export async function openGenerations(db: Database, cluster: string): Promise<Generations> {
  const opened = await db.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1, $2)", LOCK);
    const found = await all(tx);
    const other = found.find((generation) => generation.cluster !== cluster);
    if (other !== undefined) throw otherCluster(other.cluster, cluster);
    const current = found.find(({ state }) => state === "current");
    if (current === undefined)
      return { current: await create(tx, found, cluster, "current"), building: undefined };
    const building = found.find(({ state }) => state === "building");
    if (building?.layout === LAYOUT || (building === undefined && current.layout === LAYOUT))
      return { current: current.id, building: building?.id };
    if (building)
      await tx.query("update sai_results.generation set state = 'old' where id = $1", [building.id]);
    return { current: current.id, building: await create(tx, found, cluster, "building") };
  });
  await dropOld(db);
  return opened;
}

/** Begins to build another one. Throws failed_precondition while one is being built. */
export function beginGeneration(db: Database, cluster: string): Promise<number> {
  return db.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1, $2)", LOCK);
    const found = await all(tx);
    const building = found.find(({ state }) => state === "building");
    if (building !== undefined) return building.id;
    return create(tx, found, cluster, "building");
  });
}

/** The one that was built answers from now on; the one before goes. */
export async function switchGeneration(db: Database, to: number): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1, $2)", LOCK);
    const found = await all(tx);
    if (found.find(({ id }) => id === to)?.state !== "building")
      throw new SaiError("failed_precondition", `generation ${to} of the results index is not being built`);
    await tx.query("update sai_results.generation set state = 'old' where state = 'current'");
    await tx.query("update sai_results.generation set state = 'current', switched_at = now() where id = $1", [
      to,
    ]);
  });
  await dropOld(db);
}

const TABLES = ["campaign", "ingested", "cell", "cell_metric"];

async function dropOld(db: Database): Promise<void> {
  for (const { id, state } of await all(db)) {
    if (state !== "old") continue;
    await db.transaction(async (tx) => {
      await tx.query(`drop table if exists sai_results.sample_${id}`);
      for (const table of TABLES)
        await tx.query(`delete from sai_results.${table} where generation = $1`, [id]);
      await tx.query("delete from sai_results.generation where id = $1", [id]);
    });
  }
}

const all = (session: Session) =>
  session.query<Found>("select id, state, cluster, layout from sai_results.generation order by id");

async function create(
  tx: Session,
  found: readonly Found[],
  cluster: string,
  state: "building" | "current",
): Promise<number> {
  const id = (found.at(-1)?.id ?? 0) + 1;
  const values = [id, state, cluster, LAYOUT];
  await tx.query(
    "insert into sai_results.generation (id, state, cluster, layout) values ($1, $2, $3, $4)",
    values,
  );
  await tx.query(
    `create table sai_results.sample_${id} partition of sai_results.sample for values in (${id})`,
  );
  return id;
}

const otherCluster = (found: string, own: string) =>
  new SaiError(
    "failed_precondition",
    `the results index holds campaigns of cluster ${found}, this is ${own}`,
    {
      hint: "give this cluster a database of its own (database.name), or drop the schema sai_results in this one",
    },
  );

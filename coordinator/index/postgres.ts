/**
 * PostgreSQL (14 or later) behind the index: a few connections, each statement with a deadline.
 *
 * 1. No wait is without an end: connecting, statements and locks have deadlines, and a server that vanished is noticed.
 * 2. A connection on which anything failed is closed, not used again.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import {
  type Database,
  type DatabaseOptions,
  databaseError,
  type Param,
  type Row,
  type Session,
  type Transaction,
} from "./database.js";

const CONNECTIONS = 4;
const CONNECT_MS = 5_000;
/** Of one statement, a COPY of a batch included. */
const STATEMENT_MS = 120_000;
/** A little later than the server's own, for one that does not answer at all. */
const ANSWER_MS = STATEMENT_MS + 10_000;

const OLDEST = 140_000;

export async function openPostgres(
  options: Extract<DatabaseOptions, { kind: "postgresql" }>,
): Promise<Database> {
  const { host, port, name, user, password, tls, ca } = options;
  const where = `PostgreSQL, database ${name} at ${host}:${port}`;
  const pool = new pg.Pool({
    ...{ host, port, database: name, user, password: password ?? "" },
    ...{ max: CONNECTIONS, connectionTimeoutMillis: CONNECT_MS, idleTimeoutMillis: 60_000 },
    ...{ statement_timeout: STATEMENT_MS, query_timeout: ANSWER_MS, keepAlive: true },
    ssl:
      tls === "off" ? false : { rejectUnauthorized: tls === "verify", ...(ca === undefined ? {} : { ca }) },
    application_name: "sai-bench index",
  });
  // An idle connection that breaks is taken out of the pool by itself; the next statement says what is wrong.
  pool.on("error", () => {});
  const failed = (error: unknown): never => {
    throw databaseError(error, where);
  };
  try {
    const { rows } = await pool.query<{ n: number; v: string }>(
      "select current_setting('server_version_num')::int n, current_setting('server_version') v",
    );
    const { n = 0, v = "?" } = rows[0] ?? {};
    if (n < OLDEST)
      throw Object.assign(new Error(`the server is version ${v}, at least 14 is needed`), { code: "58000" });
    return {
      version: `PostgreSQL ${v.split(" ")[0]}`,
      query: (sql, params) => sessionOf(pool).query<never>(sql, params).catch(failed),
      transaction: (work) => transaction(pool, work).catch(failed),
      close: () => pool.end(),
    };
  } catch (error) {
    await pool.end().catch(() => {});
    return failed(error);
  }
}

const sessionOf = (client: Pick<pg.Pool, "query">): Session => ({
  async query<T extends Row>(sql: string, params: readonly Param[] = []) {
    return (await client.query(sql, [...params])).rows as T[];
  },
});

async function transaction<T>(pool: pg.Pool, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | boolean = false;
  // A connection that breaks between two statements says it here, and again at the next one.
  const note = (error: Error) => {
    broken = error;
  };
  client.on("error", note);
  try {
    await client.query("begin");
    // What a crash of the server loses is lost as whole transactions, and done again from the artifacts.
    await client.query("set local synchronous_commit = off");
    const value = await work({
      ...sessionOf(client),
      async copy(table, columns, pieces) {
        const stream = client.query(copyFrom(`copy ${table} (${columns.join(", ")}) from stdin`));
        await pipeline(Readable.from(pieces, { objectMode: true }), stream);
      },
    });
    await client.query("commit");
    return value;
  } catch (error) {
    broken = true; // invariant 2; the server rolls back
    throw error;
  } finally {
    client.off("error", note);
    client.release(broken);
  }
}

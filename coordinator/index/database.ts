/**
 * The database behind the results index, as the index sees it: PostgreSQL (postgres.ts) and PGlite (pglite.ts) speak the
 * same SQL, so that nothing above this file knows which one it is.
 *
 * 1. Everything in a transaction is kept, or nothing is, whenever the process dies.
 * 2. What is away, full or too slow says so as `unavailable` or `resource_exhausted`: waiting may mend it. Whatever else
 *    a statement is refused for is `internal`: a mistake of ours.
 */
import { SaiError } from "../../shared/runtime/errors.js";

/** A value of a parameter; arrays are arrays of SQL. */
export type Param = string | number | boolean | null | readonly string[] | readonly number[];
export type Row = { [column: string]: unknown };

export interface Session {
  query<T extends Row = Row>(sql: string, params?: readonly Param[]): Promise<T[]>;
}

export interface Transaction extends Session {
  /** `COPY table (columns) FROM STDIN` in text format; the pieces together are whole lines. */
  copy(table: string, columns: readonly string[], pieces: AsyncIterable<Buffer>): Promise<void>;
}

export interface Database extends Session {
  /** Such as `PostgreSQL 15.14`, for people. */
  readonly version: string;
  /** Runs `work` in one transaction; rolled back when it throws. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Where the index is kept. */
export type DatabaseOptions =
  | {
      kind: "postgresql";
      host: string;
      port: number;
      name: string;
      user: string;
      password: string | undefined;
      tls: "off" | "require" | "verify";
      /** Of the authority, PEM. */
      ca: string | undefined;
    }
  /** A folder; undefined: in memory. */
  | { kind: "pglite"; dir: string | undefined };

/** SQLSTATE classes and codes that waiting, or somebody else than us, may mend; 23505: another writes the same rows. */
const AWAY = /^(08|57|58|28|3D|53|25006|55P03|40|23505)/;
const FULL = /^(53100|53200|53400)/;

const HINTS: { [code: string]: string } = {
  "28P01": "check database.user and database.password (SAI_DB_USER, SAI_DB_PASSWORD)",
  "28000": "check database.user, and that pg_hba.conf of the server lets it in",
  "3D000": "create it (`createdb`), or name another by database.name (SAI_DB_NAME)",
  "42501": "the user needs CREATE on the database: the index makes a schema of its own, sai_results",
  "53100": "make room on the database's disk; the index goes on by itself then",
  "53300": "the server has no connection left: raise max_connections, or free some",
};

/** What a statement or a connection failed with, in people's words. `where` names the database. */
export function databaseError(error: unknown, where: string): SaiError {
  if (error instanceof SaiError) return error;
  const { code = "", message = String(error) } = (error ?? {}) as { code?: string; message?: string };
  const isSqlState = /^[0-9A-Z]{5}$/.test(code);
  const what = `the results index (${where}): ${message === "" ? code : message}`;
  const hint = HINTS[code];
  const more = { cause: error, ...(hint === undefined ? {} : { hint }) };
  if (FULL.test(code)) return new SaiError("resource_exhausted", what, more);
  if (code === "42501") return new SaiError("unavailable", what, more);
  if (isSqlState && !AWAY.test(code)) return new SaiError("internal", what, more);
  const away =
    "see that the database runs, and database.host and database.port; nothing but the index waits for it";
  return new SaiError("unavailable", what, { cause: error, hint: hint ?? away });
}

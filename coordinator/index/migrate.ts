/**
 * The index's tables, from numbered files of SQL. Only forward: what a later version needs otherwise is another file.
 *
 * 1. A file that was applied never changes: its SHA-256 stands beside it in the database.
 * 2. All that is missing is applied in one transaction, under a lock, so that two coordinators cannot do it at once.
 * 3. A database that a newer version has migrated is left alone.
 */
import { readdirSync, readFileSync } from "node:fs";
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { Database } from "./database.js";

export interface Migration {
  /** From 1, without a gap. */
  id: number;
  name: string;
  sql: string;
}

/** All in `migrations/`, in their order. */
export function ownMigrations(): Migration[] {
  const folder = new URL("./migrations/", import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  return files.sort().map((name) => ({
    id: Number(name.slice(0, 3)),
    name: name.replace(/\.sql$/, ""),
    sql: readFileSync(new URL(name, folder), "utf8"),
  }));
}

/** Of pg_advisory_xact_lock: "sai" and what for. */
const LOCK = [0x736169, 1] as const;

/** Brings the database up to date; answers the names of what was applied. */
export async function migrate(
  db: Database,
  migrations: readonly Migration[] = ownMigrations(),
): Promise<string[]> {
  return db.transaction(async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1, $2)", LOCK);
    await tx.query("create schema if not exists sai_results");
    await tx.query(
      `create table if not exists sai_results.migration (
        id integer primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())`,
    );
    const found = await tx.query<{ id: number; name: string; sha256: string }>(
      "select id, name, sha256 from sai_results.migration order by id",
    );
    const known = new Map(migrations.map((migration) => [migration.id, migration]));
    for (const { id, name, sha256: applied } of found) {
      const own = known.get(id);
      if (own === undefined) throw newer(name);
      if (sha256(own.sql) !== applied) throw changed(name);
    }
    const missing = migrations.filter(({ id }) => id > found.length);
    for (const { id, name, sql } of missing) {
      for (const statement of statements(sql)) await tx.query(statement);
      await tx.query("insert into sai_results.migration (id, name, sha256) values ($1, $2, $3)", [
        id,
        name,
        sha256(sql),
      ]);
    }
    return missing.map(({ name }) => name);
  });
}

/** A file's statements: each ends with a semicolon at the end of a line. */
const statements = (sql: string): string[] =>
  sql
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement.replace(/^--.*$/gm, "").trim() !== "");

const newer = (name: string) =>
  new SaiError("failed_precondition", `the results index was migrated by a newer version (${name})`, {
    hint: "use that version, or give this one another database.name",
  });

const changed = (name: string) =>
  new SaiError(
    "failed_precondition",
    `migration ${name} of the results index is not the one that was applied`,
    {
      hint: "drop the schema sai_results, which is filled again from the artifacts, or use the version that made it",
    },
  );

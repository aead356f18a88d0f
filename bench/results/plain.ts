/** The other side: the same rows, made beforehand, brought into a table like the index's by COPY and nothing else. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import type { Database } from "../../coordinator/index/database.js";
import { beginOf, COLUMNS, rowOf } from "../../coordinator/index/row.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { PostgresServer } from "../../test/support/postgres.js";
import { campaigns, SHARD, type Workload } from "./workload.js";

/** Writes the rows of one job in COPY's text format; `cell` is told apart by whoever copies them. */
export async function writeRows(workload: Workload, path: string): Promise<void> {
  const [source] = campaigns(workload, 0, 1, 1);
  const [job] = source?.jobs ?? [];
  const out = createWriteStream(path);
  for (let at = 0; at < (job?.shards ?? 0); at += 1) {
    const shard = await job?.read(at);
    const begin = beginOf({ generation: 1, cell: 1, shard: at });
    let text = "";
    for (const line of Buffer.from(shard?.lines ?? [])
      .toString()
      .split("\n"))
      if (line !== "") text += rowOf(JSON.parse(line) as ResultRecord, begin);
    if (!out.write(text)) await once(out, "drain");
  }
  out.end();
  await once(out, "finish");
}

/** The same job's records as they are, for a table that keeps them whole: `ordinal<TAB>record`. */
export async function writeWhole(workload: Workload, path: string): Promise<void> {
  const [source] = campaigns(workload, 0, 1, 1);
  const [job] = source?.jobs ?? [];
  const out = createWriteStream(path);
  for (let at = 0; at < (job?.shards ?? 0); at += 1) {
    const lines = Buffer.from((await job?.read(at))?.lines ?? [])
      .toString()
      .split("\n");
    const rows = lines.slice(0, -1).map((line, i) => `${at * SHARD + i}\t${line.replaceAll("\\", "\\\\")}\n`);
    if (!out.write(rows.join(""))) await once(out, "drain");
  }
  out.end();
  await once(out, "finish");
}

/** The table: as `sample` with all its indexes, but by itself. */
export async function makeTable(db: Database, name: string): Promise<void> {
  await db.query(`create table ${name} (like sai_results.sample including all)`);
}

/** Copies the file by psql's \copy, PostgreSQL's own client; answers seconds. */
export async function copyByPsql(
  psql: string,
  server: PostgresServer,
  database: string,
  table: string,
  path: string,
  columns: readonly string[] = COLUMNS,
): Promise<number> {
  const started = performance.now();
  const command = `\\copy ${table} (${columns.join(", ")}) from stdin`;
  const where = ["-h", server.host, "-p", String(server.port), "-U", server.user, "-d", database];
  const child = spawn(psql, [...where, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", command], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(child.stdin);
  const [code] = (await once(child, "close")) as [number];
  if (code !== 0) throw new Error(`psql ended with ${code}`);
  return (performance.now() - started) / 1000;
}

/** The same into PGlite, whose COPY reads a blob; answers seconds. */
export async function copyByBlob(db: Database, table: string, path: string): Promise<number> {
  const bytes = readFileSync(path);
  const started = performance.now();
  await db.transaction((tx) =>
    tx.copy(
      table,
      COLUMNS,
      (async function* () {
        yield bytes;
      })(),
    ),
  );
  return (performance.now() - started) / 1000;
}

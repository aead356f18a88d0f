/**
 * PGlite, PostgreSQL inside this process: the index of one machine, in a folder or in memory. It holds up its thread
 * while it works and takes hundreds of megabytes, so it runs in the index's thread (index-worker.ts) and is opened when
 * it is first asked for something.
 *
 * ```
 * pgdata/   PGlite's files     made-by   which PGlite made them; there once they are whole     lock   who has them
 * ```
 *
 * 1. Nothing here is worth keeping when it cannot be read: files that do not open, or were made by another version, are
 *    removed and filled again from the artifacts.
 * 2. A folder is open in one process at a time.
 */
import { readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { SaiError } from "../../shared/runtime/errors.js";
import { type HostLock, takeHostLock } from "../../shared/runtime/host-lock.js";
import { type Database, databaseError, type Param, type Row } from "./database.js";

export interface PgliteOptions {
  /** Its folder; undefined: in memory. */
  dir: string | undefined;
  /** The file with a migrated database's files (`pgliteImage`), which are faster unpacked than made; it need not be there. */
  seed?: string | undefined;
  /** Unique. */
  nonce: string;
  /** Wall ms, for the lock. */
  nowMs: number;
}

/** Opens it; what was there and cannot be used is gone then (invariant 1). */
export async function openPglite(options: PgliteOptions): Promise<Database> {
  const { dir } = options;
  if (dir === undefined) {
    const db = await PGlite.create(await seedOf(options));
    return databaseOf(db, "in memory");
  }
  const lock = await lockFolder(dir, options);
  try {
    const database = await databaseOf(await openFolder(dir, options), dir);
    const close = async () => {
      await database.close();
      await lock.release();
    };
    return { ...database, close };
  } catch (error) {
    await lock.release();
    throw databaseError(error, `PGlite in ${dir}`);
  }
}

/**
 * The files of a migrated database, as `seed` of others; scripts/index-seed.mjs makes one.
 * @public
 */
export async function pgliteImage(migrate: (db: Database) => Promise<unknown>): Promise<Buffer> {
  const db = await PGlite.create();
  try {
    await migrate(await databaseOf(db, "in memory"));
    const image = await db.dumpDataDir("gzip");
    return Buffer.from(await image.arrayBuffer());
  } finally {
    await db.close();
  }
}

async function openFolder(dir: string, options: PgliteOptions): Promise<PGlite> {
  const [data, mark] = [join(dir, "pgdata"), join(dir, "made-by")];
  const made = await readFile(mark, "utf8").catch(() => "");
  if (made === MADE_BY) {
    try {
      return await PGlite.create(data);
    } catch {
      // Such as after a loss of power: PGlite does not wait for the disk.
    }
  }
  await rm(mark, { force: true });
  await rm(data, { recursive: true, force: true });
  const db = await PGlite.create({ dataDir: data, ...(await seedOf(options)) });
  await writeFile(mark, MADE_BY);
  return db;
}

/** Its package does not export its package.json. */
const PACKAGE = join(
  dirname(createRequire(import.meta.url).resolve("@electric-sql/pglite")),
  "..",
  "package.json",
);
const MADE_BY = `pglite ${(JSON.parse(readFileSync(PACKAGE, "utf8")) as { version: string }).version}`;

async function lockFolder(dir: string, { nonce, nowMs }: PgliteOptions): Promise<HostLock> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, "lock");
  const taker = { nonce, what: "the results index", nowMs };
  let lock = await takeHostLock(path, taker);
  if ("holder" in lock && lock.holder.pid === process.pid) {
    // An earlier thread of ours that was ended before it could say so.
    await rm(path, { force: true });
    lock = await takeHostLock(path, taker);
  }
  if (!("holder" in lock)) return lock;
  throw new SaiError("unavailable", `the results index in ${dir} is open in process ${lock.holder.pid}`, {
    hint: "end it, or give this coordinator another data_dir",
  });
}

async function databaseOf(db: PGlite, where: string): Promise<Database> {
  const failed = (error: unknown): never => {
    throw databaseError(error, `PGlite, ${where}`);
  };
  const query = async <T extends Row>(sql: string, params: readonly Param[] = []): Promise<T[]> =>
    (await db.query<T>(sql, [...params])).rows;
  const [row] = await query<{ v: string }>("select current_setting('server_version') v");
  return {
    version: `PGlite (PostgreSQL ${row?.v ?? "?"})`,
    query: (sql, params) => query<never>(sql, params).catch(failed),
    transaction: (work) =>
      db
        .transaction((tx) =>
          work({
            query: async <T extends Row>(sql: string, params: readonly Param[] = []) =>
              (await tx.query<T>(sql, [...params])).rows,
            async copy(table, columns, pieces) {
              const parts: Buffer[] = [];
              for await (const piece of pieces) parts.push(piece);
              const blob = new Blob(parts);
              await tx.query(`copy ${table} (${columns.join(", ")}) from '/dev/blob'`, [], { blob });
            },
          }),
        )
        .catch(failed),
    close: () => db.close(),
  };
}

async function seedOf({ seed }: PgliteOptions): Promise<{ loadDataDir?: Blob }> {
  const bytes = seed === undefined ? undefined : await readFile(seed).catch(() => undefined);
  return bytes === undefined ? {} : { loadDataDir: new Blob([bytes]) };
}

/**
 * All that can be asked of the index, on an open database. Its thread (index-worker.ts) is told these by name, so
 * arguments and answers are plain data.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { SaiError } from "../../shared/runtime/errors.js";
import { costs } from "./costs.js";
import type { Database, DatabaseOptions } from "./database.js";
import { beginGeneration, openGenerations, switchGeneration } from "./generations.js";
import { addBatch, finishCampaign, forgetCampaign, ingestedCampaigns, ingestedShards } from "./ingest.js";
import { leaderboard } from "./leaderboard.js";
import type { Generations } from "./messages.js";
import { migrate } from "./migrate.js";
import { pairSamples } from "./pairs.js";
import { openPglite } from "./pglite.js";
import { openPostgres } from "./postgres.js";
import { findSamples, timesOfSamples } from "./samples.js";

export interface IndexOptions {
  database: DatabaseOptions;
  /** Of this fleet: two of them never share an index. */
  cluster: string;
  /** The file with a migrated PGlite's files. */
  seed?: string | undefined;
  /** Unique. */
  nonce: string;
  /** Wall ms. */
  nowMs: number;
}

export interface Opened {
  version: string;
  generations: Generations;
}

type WithoutDatabase<F> = F extends (db: Database, ...rest: infer R) => infer A ? (...rest: R) => A : never;

const ASKED = {
  ingestedCampaigns,
  ingestedShards,
  addBatch,
  finishCampaign,
  forgetCampaign,
  switchGeneration,
  leaderboard,
  costs,
  findSamples,
  timesOfSamples,
  pairSamples,
};

export type IndexCalls = { [name in keyof typeof ASKED]: WithoutDatabase<(typeof ASKED)[name]> } & {
  /** Opens the database, brings its tables up to date and finds its generations. */
  open(): Promise<Opened>;
  beginGeneration(): Promise<number>;
  /** Lets PGlite reuse what was deleted; PostgreSQL does by itself. */
  tidy(): Promise<void>;
  close(): Promise<void>;
};

export function indexCalls(options: IndexOptions): IndexCalls {
  let open: { db: Database; opened: Opened } | undefined;
  let opening: Promise<Opened> | undefined;
  const db = (): Database => {
    if (open === undefined) throw new SaiError("unavailable", "the results index is not open yet");
    return open.db;
  };
  const bound = Object.fromEntries(
    Object.entries(ASKED).map(([name, ask]) => [
      name,
      (...rest: unknown[]) => (ask as (db: Database, ...rest: unknown[]) => unknown)(db(), ...rest),
    ]),
  ) as { [name in keyof typeof ASKED]: WithoutDatabase<(typeof ASKED)[name]> };
  return {
    ...bound,
    open() {
      opening ??= openIndex(options).then(
        (found) => {
          open = found;
          return found.opened;
        },
        (error: unknown) => {
          opening = undefined;
          throw error;
        },
      );
      return opening;
    },
    beginGeneration: () => beginGeneration(db(), options.cluster),
    async tidy() {
      if (options.database.kind === "pglite") await db().query("vacuum");
    },
    async close() {
      await opening?.catch(() => {});
      const was = open;
      [open, opening] = [undefined, undefined];
      await was?.db.close();
    },
  };
}

async function openIndex(options: IndexOptions): Promise<{ db: Database; opened: Opened }> {
  const { database } = options;
  try {
    return await ready(await openDatabase(options), options.cluster);
  } catch (error) {
    // What is in a folder of our own and cannot be used is made anew: of another cluster, or of a newer version.
    const isOurs = database.kind === "pglite" && database.dir !== undefined;
    if (!isOurs || !(error instanceof SaiError) || error.code === "unavailable") throw error;
    await rm(join(database.dir ?? "", "pgdata"), { recursive: true, force: true });
    return ready(await openDatabase({ ...options, seed: undefined }), options.cluster);
  }
}

function openDatabase({ database, seed, nonce, nowMs }: IndexOptions): Promise<Database> {
  return database.kind === "postgresql"
    ? openPostgres(database)
    : openPglite({ dir: database.dir, seed, nonce, nowMs });
}

async function ready(db: Database, cluster: string): Promise<{ db: Database; opened: Opened }> {
  try {
    await migrate(db);
    const generations = await openGenerations(db, cluster);
    return { db, opened: { version: db.version, generations } };
  } catch (error) {
    await db.close().catch(() => {});
    throw error;
  }
}

/** The index as the configuration has it: in PostgreSQL, or in this process. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../../shared/runtime/config.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { DatabaseOptions } from "./database.js";
import { IndexThread } from "./index-thread.js";
import { Indexing, type IndexingParts } from "./indexing.js";

const DAY_MS = 24 * 3_600_000;

export interface OpenParts extends Omit<IndexingParts, "thread" | "eager" | "retentionMs" | "log"> {
  clusterId: string;
  logger: Logger;
}

/** Nothing is opened yet. */
export function openIndexing(config: Config, parts: OpenParts): Indexing {
  const { clock, clusterId, logger } = parts;
  const { retentionDays } = config.database;
  const options = () => ({
    ...{ database: databaseOptions(config), cluster: clusterId, seed: SEED },
    ...{ nonce: randomUUID(), nowMs: clock.wallMs() },
  });
  return new Indexing({
    ...parts,
    thread: new IndexThread(options, clock),
    eager: config.database.host !== undefined,
    retentionMs: retentionDays === undefined ? undefined : retentionDays * DAY_MS,
    log: logger,
  });
}

/** The build makes it (scripts/index-seed.mjs); without it an embedded index takes some seconds to make. */
const SEED = fileURLToPath(new URL("./seed.tgz", import.meta.url));

function databaseOptions({ database, dataDir, store }: Config): DatabaseOptions {
  const { host, port, name, user, password, tls, caFile } = database;
  if (host === undefined) {
    // What is agreed in memory is gone with the process, and so is what is found of it.
    return { kind: "pglite", dir: store.kind === "memory" ? undefined : join(dataDir, "index") };
  }
  const ca = caFile === undefined ? undefined : readFileSync(caFile, "utf8");
  return { kind: "postgresql", host, port, name, user, password, tls, ca };
}

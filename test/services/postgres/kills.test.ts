/** The index on PostgreSQL: writers killed at random moments, two at once, and the server itself. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import {
  DISAGREEMENTS,
  expectedRows,
  FOUND_ROWS,
  foundRows,
  writeCampaigns,
} from "../../../coordinator/index/campaigns.test-support.js";
import { openPostgres } from "../../../coordinator/index/postgres.js";
import { killedUntilDone } from "../../support/index-kills.js";
import { type PostgresServer, startPostgres } from "../../support/postgres.js";
import { until } from "../../support/until.js";

const scratch = mkdtempSync(join(tmpdir(), "sai-index-kills-"));
const folder = join(scratch, "records");
const seed = Number(process.env["SEED"] ?? Date.now() % 100_000);
let server: PostgresServer;
beforeAll(async () => {
  writeCampaigns(folder, { campaigns: 4, jobs: 3, shards: 60, records: 100 }, seed);
  server = await startPostgres(inject("postgres"));
}, 120_000);
afterAll(async () => {
  await server?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const options = (name: string) => ({
  ...{ kind: "postgresql" as const, host: server.host, port: server.port, name, user: server.user },
  ...{ password: undefined, tls: "off" as const, ca: undefined },
});

async function expectEqual(name: string, what: string): Promise<void> {
  const db = await openPostgres(options(name));
  try {
    const found = foundRows(await db.query(FOUND_ROWS));
    expect(found.length, `SEED=${seed} ${what}`).toBe(expectedRows(folder).length);
    expect(found).toEqual(expectedRows(folder));
    expect(await db.query(DISAGREEMENTS), `SEED=${seed} ${what}`).toEqual([]);
  } finally {
    await db.close();
  }
}

test("a writer that is killed 20 times leaves what the artifacts say", async () => {
  await server.create("kills");
  const task = { database: options("kills"), folder, upTo: 4 };
  const killed = await killedUntilDone(task, { kills: 20, withinMs: 2500, seed });
  await expectEqual("kills", `killed ${killed} times`);
}, 300_000);

test("a server that goes down in the middle is found again by the next writer", async () => {
  await server.create("server");
  const task = { database: options("server"), folder, upTo: 1 };
  const down = killedUntilDone(task, { kills: 0, withinMs: 0, seed }).catch((error: unknown) => error);
  const db = await openPostgres(options("server"));
  // The first batch is noted, and eleven jobs are still to come.
  const noted = () => db.query("select 1 from sai_results.ingested").catch(() => []);
  await until("a batch is in", async () => (await noted()).length > 0, 60_000);
  await server.kill();
  await db.close();
  await server.start();
  expect(String(await down)).toContain("the writer ended by itself");
  await killedUntilDone(task, { kills: 2, withinMs: 300, seed });
  await expectEqual("server", "server killed");
}, 120_000);

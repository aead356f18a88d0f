/** The embedded index under kill -9: whenever its process dies, the next one ends with exactly what the artifacts say. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  DISAGREEMENTS,
  expectedRows,
  FOUND_ROWS,
  foundRows,
  writeCampaigns,
} from "../../coordinator/index/campaigns.test-support.js";
import { openPglite } from "../../coordinator/index/pglite.js";
import { killedUntilDone } from "../support/index-kills.js";

const scratch = mkdtempSync(join(tmpdir(), "sai-index-kills-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("killed while it comes in and while it is built anew, the index equals the artifacts", async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 100_000);
  const folder = join(scratch, "records");
  const dir = join(scratch, "index");
  writeCampaigns(folder, { campaigns: 3, jobs: 2, shards: 30, records: 60 }, seed);
  const task = { database: { kind: "pglite" as const, dir }, folder, upTo: 3 };
  const killed = await killedUntilDone(task, { kills: 3, withinMs: 900, seed });
  const db = await openPglite({ dir, nonce: "check", nowMs: 0 });
  try {
    const found = foundRows(await db.query(FOUND_ROWS));
    const expected = expectedRows(folder);
    expect(found.length, `SEED=${seed}, killed ${killed} times`).toBe(expected.length);
    expect(found).toEqual(expected);
    expect(await db.query(DISAGREEMENTS)).toEqual([]);
    expect(await db.query("select id, state from sai_results.generation")).toEqual([
      { id: 3, state: "current" },
    ]);
    expect(await db.query("select count(*)::int n from sai_results.campaign")).toEqual([{ n: 3 }]);
  } finally {
    await db.close();
  }
}, 120_000);

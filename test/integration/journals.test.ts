/** What an agent's disk says after a restart: finished work is sent again and counts once, unfinished work runs anew. */
import { appendFile, cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
afterEach(() => fleet?.stop());

test("journals found at a start: unfinished ones are dropped and run anew, torn lines do no harm", async () => {
  fleet = await startFleet({
    agents: ["n1"],
    config: (config) => {
      config.agent.drainTimeoutMs = 0;
    },
  });
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 8, shardSize: 4, options: { latency_ms: 250 } }),
  });
  const journal = join(fleet.folder, "n1", "journal");
  const saved = join(fleet.folder, "saved");
  await until("samples run", async () => ((await fleet.api.get(id)).progress?.samplesRunning ?? 0) > 1);
  // The disk as a crash would leave it; a stop in order would tidy up.
  await cp(journal, saved, { recursive: true });
  await fleet.stopAgent("n1");
  await cp(saved, journal, { recursive: true });
  const [first = ""] = await readdir(saved);
  await appendFile(join(journal, first), '{"k":"record","rec');
  await appendFile(join(journal, "9.9.jsonl"), '{"k":"atte');
  await fleet.agent("n1");
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  expect((await fleet.api.records(id)).map(({ ordinal }) => ordinal)).toEqual([...Array(8).keys()]);
  expect(fleet.logs.some((line) => line.msg.includes("cut short"))).toBe(true);
  await until("no journal is left", async () => (await readdir(journal)).length === 0);
});

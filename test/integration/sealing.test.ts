/** Ending a campaign while the artifact store is away: nothing is lost, nobody waits, and it ends when it is back. */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
afterEach(() => fleet?.stop());

/** Puts a file where the blobs by hash lie, so that every access fails; the answer undoes it. */
async function loseBlobs(): Promise<() => Promise<void>> {
  const cas = join(fleet.folder, "artifacts", "cas");
  await mkdir(cas, { recursive: true });
  await rename(cas, `${cas}.away`);
  await writeFile(cas, "");
  return async () => {
    await rm(cas);
    await rename(`${cas}.away`, cas);
  };
}

test("a finished campaign waits for the store to seal, acknowledges its results, and then succeeds", async () => {
  fleet = await startFleet({ agents: ["n1"] });
  const suite = suiteOf({ items: 8, shardSize: 4, options: { latency_ms: 100 } });
  const { id } = await fleet.api.create({ suite });
  await until("it is planned", async () => (await fleet.api.get(id)).state === CampaignState.RUNNING);
  await until("both shards run", async () =>
    (await fleet.api.job(id, "j0000")).shards.every(({ state }) => state === "running"),
  );
  const bringBack = await loseBlobs();
  await until("all is committed", async () => (await fleet.api.get(id)).progress?.shardsDone === 2);
  await until("sealing fails", () => fleet.logs.some((line) => line.msg.startsWith("sealing job j0000")));
  expect((await fleet.api.get(id)).state).toBe(CampaignState.RUNNING);
  expect(await fleet.api.node("n1")).toMatchObject({ state: "ready", attempts: 0 });
  await bringBack();
  expect(await fleet.api.ended(id)).toMatchObject({ state: CampaignState.SUCCEEDED, reason: "" });
  expect((await fleet.api.records(id)).length).toBe(8);
});

test("cancelling is answered at once, and ends when the store is back", async () => {
  fleet = await startFleet({ agents: ["n1"] });
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 40, options: { latency_ms: 100 } }) });
  await until("it runs", async () => ((await fleet.api.get(id)).progress?.samplesRunning ?? 0) > 0);
  const bringBack = await loseBlobs();
  expect((await fleet.api.cancel(id)).state).toBe(CampaignState.SEALING);
  await until("sealing fails", () => fleet.logs.some((line) => line.msg.startsWith("sealing job j0000")));
  await bringBack();
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.CANCELLED);
});

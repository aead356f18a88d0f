/**
 * A coordinator's part of the index as a process of its own, to be killed: brings the campaigns below a folder into the
 * index, or builds it anew, and says `done`. What it was told is JSON in its first argument.
 */
import { randomUUID } from "node:crypto";
import { campaignSources } from "../../coordinator/index/campaigns.test-support.js";
import type { DatabaseOptions } from "../../coordinator/index/database.js";
import { IndexThread } from "../../coordinator/index/index-thread.js";
import { ingestCampaign } from "../../coordinator/index/source.js";
import { systemClock } from "../../shared/runtime/clock.js";

export interface WriterTask {
  database: DatabaseOptions;
  folder: string;
  /** Builds another generation, up to this number. */
  upTo: number;
}

const { database, folder, upTo } = JSON.parse(process.argv[2] ?? "") as WriterTask;
const thread = new IndexThread(
  () => ({ database, cluster: "cluster-1", nonce: randomUUID(), nowMs: Date.now() }),
  systemClock,
);
const { calls } = thread;
const { generations } = await calls.open();
process.stdout.write("open\n");
let { current, building } = generations;
const goOn = async (generation: number) => {
  const has = new Set(await calls.ingestedCampaigns(generation));
  for (const source of campaignSources(folder))
    if (!has.has(source.facts.id)) await ingestCampaign(calls, generation, source, () => false);
};
if (building === undefined) await goOn(current);
while (current < upTo || building !== undefined) {
  building ??= await calls.beginGeneration();
  await goOn(building);
  await calls.switchGeneration(building);
  [current, building] = [building, undefined];
}
await thread.close();
process.stdout.write("done\n");
process.exit(0);

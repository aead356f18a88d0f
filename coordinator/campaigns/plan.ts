/**
 * Planning: datasets, media and the plan become artifacts; then one transaction says PLANNED, the gates are opened in
 * batches, and the campaign runs. Each step may be repeated.
 */
import { readFile } from "node:fs/promises";
import { putCas } from "../../shared/artifacts/store.js";
import { planBytes } from "../../shared/benchmark/expand.js";
import type { Plan } from "../../shared/benchmark/plan.js";
import { errorText } from "../../shared/runtime/errors.js";
import { type Prepared, planOf } from "../../shared/suites/prepare.js";
import { del, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { CampaignEntry, JobEntry } from "./board.js";
import { campaignEvent, jobEvent } from "./lifecycle.js";
import { type CampaignParts, write } from "./parts.js";

/** Below the store's 128 operations. */
const GATES_AT_ONCE = 120;

/** Plans and starts a campaign; what goes wrong makes it FAILED with the reason. Never throws. */
export async function planCampaign(
  parts: CampaignParts,
  entry: CampaignEntry,
  prepared: Prepared,
): Promise<void> {
  try {
    const plan = planOf(prepared, entry.value.id);
    await storeInputs(parts, prepared);
    const planSha256 = await putCas(parts.artifacts, planBytes(plan));
    if (entry.value.state.kind !== "SUBMITTED") return; // cancelled meanwhile
    await start(parts, entry, plan, planSha256);
  } catch (error) {
    parts.log.error({ err: error, campaign: entry.value.id }, "planning failed");
    await campaignEvent(parts, entry, {
      kind: "refuse",
      reason: `planning failed: ${errorText(error)}`,
    }).catch((err) =>
      parts.log.error({ err, campaign: entry.value.id }, "cannot record that planning failed"),
    );
  }
}

async function storeInputs(parts: CampaignParts, prepared: Prepared): Promise<void> {
  for (const dataset of prepared.datasets) {
    if (dataset.items.length === 0) continue;
    for (const path of dataset.media.values()) await putCas(parts.artifacts, await readFile(path));
    await putCas(parts.artifacts, dataset.manifest);
  }
}

async function start(
  parts: CampaignParts,
  entry: CampaignEntry,
  plan: Plan,
  planSha256: string,
): Promise<void> {
  // Before the state says so: whoever cancels from now on finds the jobs it cancels.
  parts.board.setPlan(entry, plan, parts.clock.nowMs());
  await campaignEvent(parts, entry, { kind: "plan", planSha256 });
  await openAndStart(parts, entry);
}

/** Opens the gates that are not open yet and starts a PLANNED campaign. */
export async function openAndStart(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const shut = entry.jobs.filter((job) => job.state.kind === "PLANNED");
  for (let i = 0; i < shut.length; i += GATES_AT_ONCE) {
    if (entry.value.state.kind !== "PLANNED") return;
    await openGates(parts, entry, shut.slice(i, i + GATES_AT_ONCE));
  }
  if (entry.value.state.kind === "PLANNED") await campaignEvent(parts, entry, { kind: "start" });
}

async function openGates(parts: CampaignParts, entry: CampaignEntry, jobs: JobEntry[]): Promise<void> {
  const campaign = entry.value.id;
  const gate = await write(parts, {
    ops: jobs.map((job) => put(keys.gate(campaign, job.spec.id), { epoch: parts.store.epoch })),
  });
  if (entry.value.state.kind !== "PLANNED") {
    // Cancelled while the gates were on their way: the cancellation has closed those there were, these are ours.
    await write(parts, { ops: jobs.map((job) => del(keys.gate(campaign, job.spec.id))) });
    return;
  }
  for (const job of jobs) {
    job.gate = gate;
    jobEvent(parts, entry, job, { kind: "open", gate });
  }
}

/**
 * Planning: datasets, media and the plan become artifacts; then one transaction says PLANNED, the gates are opened in
 * batches, and the campaign runs. Each step may be repeated, also by the next leader.
 *
 * 1. A gate that is there already is taken as it is: its create revision is the job's gate.
 * 2. Gates are opened within the campaign's turn, so that a cancellation finds all that there are.
 */
import { getCas, putCas } from "../../shared/artifacts/store.js";
import { planBytes } from "../../shared/benchmark/expand.js";
import type { Plan } from "../../shared/benchmark/plan.js";
import { errorText } from "../../shared/runtime/errors.js";
import { ForeignVersion } from "../../shared/runtime/foreign-version.js";
import { type Prepared, planOf } from "../../shared/suites/prepare.js";
import { absent, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import { patiently, persistently } from "./background.js";
import type { CampaignEntry, JobEntry } from "./board.js";
import { finishCampaign, inTurn, jobEvent, tryCampaignEvent } from "./lifecycle.js";
import { type CampaignParts, commitWrite } from "./parts.js";

/** One gate is one operation; 120 stay below the store's 128. */
const GATES_AT_ONCE = 120;

/** Plans and starts a campaign; what goes wrong makes it FAILED with the reason. Never throws. */
export async function planCampaign(
  parts: CampaignParts,
  entry: CampaignEntry,
  makePlan: () => Promise<Plan>,
): Promise<void> {
  const { id } = entry.value;
  try {
    const planned = await patiently(parts, `planning ${id}`, async () => {
      if (entry.value.state.kind !== "SUBMITTED") return false; // cancelled meanwhile
      const plan = await makePlan();
      const planSha256 = await putCas(parts.artifacts, planBytes(plan));
      // Before the state says so: whoever cancels from now on finds the jobs it cancels.
      parts.board.setPlan(entry, plan, parts.clock.nowMs());
      return (await tryCampaignEvent(parts, entry, { kind: "plan", planSha256 })) === undefined;
    });
    if (planned) await start(parts, entry);
  } catch (error) {
    if (parts.store.lost.aborted) return;
    parts.log.error({ err: error, campaign: id }, "planning failed");
    const reason = `planning failed: ${errorText(error)}`;
    await persistently(parts, `ending campaign ${id}`, async () => {
      await tryCampaignEvent(parts, entry, { kind: "refuse", reason });
    });
  }
}

/** Opens the gates of a campaign that is PLANNED and lets it run; for as long as we lead. */
export async function start(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { id } = entry.value;
  await persistently(parts, `opening the gates of ${id}`, async () => {
    const shut = entry.jobs.filter((job) => job.state.kind === "PLANNED");
    for (let i = 0; i < shut.length; i += GATES_AT_ONCE) {
      await inTurn(entry, () => openGates(parts, entry, shut.slice(i, i + GATES_AT_ONCE)));
    }
    await tryCampaignEvent(parts, entry, { kind: "start" });
  });
  await finishCampaign(parts, entry);
}

async function openGates(
  parts: CampaignParts,
  entry: CampaignEntry,
  jobs: readonly JobEntry[],
): Promise<void> {
  if (entry.value.state.kind !== "PLANNED") return; // cancelled meanwhile
  const campaign = entry.value.id;
  const open = (job: JobEntry, gate: bigint) => {
    job.gate = gate;
    jobEvent(parts, entry, job, { kind: "open", gate });
  };
  for (let shut = jobs; shut.length > 0; ) {
    const gates = shut.map((job) => keys.gate(campaign, job.spec.id));
    const answer = await commitWrite(parts, {
      compare: gates.map(absent),
      ops: gates.map((gate) => put(gate, { epoch: parts.store.epoch })),
    });
    if (answer.kind === "committed") {
      for (const job of shut) open(job, answer.rev);
      return;
    }
    const there = new Map(answer.conflicts.flatMap(({ key, kv }) => (kv ? [[key, kv.createRev]] : [])));
    shut = shut.filter((job, i) => {
      const gate = there.get(gates[i]?.key ?? "");
      if (gate !== undefined) open(job, gate); // invariant 1
      return gate === undefined;
    });
  }
}

/** The plan of a prepared suite, with all it names in the artifact store. */
export async function planOfSuite(
  parts: Pick<CampaignParts, "artifacts" | "readFile">,
  prepared: Prepared,
  campaign: string,
): Promise<Plan> {
  const plan = planOf(prepared, campaign);
  for (const dataset of prepared.datasets) {
    if (dataset.items.length === 0) continue;
    for (const source of dataset.media.values())
      await putCas(parts.artifacts, typeof source === "string" ? await parts.readFile(source) : source);
    await putCas(parts.artifacts, dataset.manifest);
  }
  return plan;
}

/** A plan by its hash. Throws not_found, or internal for bytes that are none. */
export async function readPlan(parts: Pick<CampaignParts, "artifacts">, sha256: string): Promise<Plan> {
  const plan = JSON.parse((await getCas(parts.artifacts, sha256)).toString("utf8")) as Plan;
  if (plan.v === 1) return plan;
  throw new ForeignVersion(`the plan ${sha256}`, plan.v, [1]);
}

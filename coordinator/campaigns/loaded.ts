/**
 * Ended campaigns of earlier terms, brought back when somebody asks for them: everything that is shown of one comes from
 * its plan and its jobs' manifests. A job whose manifest is damaged is shown as failed and named; the others are shown.
 */
import { ForeignVersion } from "../../shared/runtime/foreign-version.js";
import { decode, keys } from "../store/keys.js";
import type { JobValue } from "../store/values.js";
import { isPassing } from "./background.js";
import { type CampaignEntry, isEnded } from "./board.js";
import { damagedJob, type Sealed } from "./damaged.js";
import { readManifest } from "./manifest.js";
import type { CampaignParts } from "./parts.js";
import { readPlan } from "./plan.js";

/** Reads what an ended campaign consisted of. Throws what the stores throw; the campaign is as before then. */
export async function loadEnded(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { value } = entry;
  if (!isEnded(value.state) || !("planSha256" in value.state) || value.state.planSha256 === undefined) return;
  const plan = await readPlan(parts, value.state.planSha256);
  const records = new Map<string, JobValue>();
  const folder = keys.jobsOf(value.id);
  for await (const { kvs } of parts.state.list(folder)) {
    for (const kv of kvs) {
      const record = decode(folder.codec, kv);
      records.set(record.id, record);
    }
  }
  const sealed = new Map(
    await Promise.all(
      plan.jobs.map(async ({ id }) => {
        const sha256 = records.get(id)?.manifestSha256;
        return [id, sha256 === undefined ? undefined : await readSealed(parts, entry, id, sha256)] as const;
      }),
    ),
  );
  const nowMs = parts.clock.nowMs();
  parts.board.setPlan(entry, plan, nowMs);
  for (const job of entry.jobs) {
    const { state } = records.get(job.spec.id) ?? {};
    const found = { done: [], ...(state && { state }), ...sealed.get(job.spec.id) };
    parts.board.restore(job, { ...found, gate: 0n, fails: [] }, nowMs);
  }
}

/** A manifest that is gone or damaged takes its own job with it; a store that is away, the whole try. */
async function readSealed(
  parts: CampaignParts,
  entry: CampaignEntry,
  job: string,
  manifestSha256: string,
): Promise<Sealed> {
  try {
    return { manifestSha256, done: await readManifest(parts.artifacts, manifestSha256, parts.clock) };
  } catch (error) {
    // What a newer program wrote is not damaged: its campaign waits for a coordinator that can read it.
    if (isPassing(error) || error instanceof ForeignVersion) throw error;
    return damagedJob(parts, entry, job, manifestSha256, error);
  }
}

/**
 * Ended campaigns of earlier terms, brought back when somebody asks for them: everything that is shown of one comes from
 * its plan and its jobs' manifests.
 */
import { decode, keys } from "../store/keys.js";
import type { JobValue } from "../store/values.js";
import { type CampaignEntry, isEnded } from "./board.js";
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
  const manifests = new Map(
    await Promise.all(
      plan.jobs.map(async ({ id }) => {
        const sha256 = records.get(id)?.manifestSha256;
        return [id, sha256 === undefined ? [] : await readManifest(parts.artifacts, sha256)] as const;
      }),
    ),
  );
  const nowMs = parts.clock.nowMs();
  parts.board.setPlan(entry, plan, nowMs);
  for (const job of entry.jobs) {
    const { state, manifestSha256 } = records.get(job.spec.id) ?? {};
    const done = manifests.get(job.spec.id) ?? [];
    const sealed = { ...(state && { state }), ...(manifestSha256 && { manifestSha256 }) };
    parts.board.restore(job, { ...sealed, gate: 0n, done, fails: [] }, nowMs);
  }
}

/** A sealed job whose manifest is gone or damaged: it counts as failed as long as this leader is there, and is named. */
import type { JobState } from "../../shared/domain/job.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { CampaignEntry } from "./board.js";
import type { ShardRecord } from "./manifest.js";
import type { CampaignParts } from "./parts.js";

export interface Sealed {
  manifestSha256: string;
  done: readonly ShardRecord[];
  state?: JobState;
  unreadable?: string;
}

/** What stands for the job; what the store says of it stays, for when the manifest is back. Warns on its campaign. */
export function damagedJob(
  { clock, log }: Pick<CampaignParts, "clock" | "log">,
  entry: CampaignEntry,
  job: string,
  manifestSha256: string,
  error: unknown,
): Sealed {
  const hint = error instanceof SaiError && error.hint !== undefined ? ` (${error.hint})` : "";
  const reason = `its manifest cannot be read back: ${errorText(error)}${hint}`;
  log.error(
    { err: error, campaign: entry.value.id, job, manifestSha256 },
    "a sealed job cannot be read back",
  );
  const warning = `${job}: ${reason}`;
  const { warnings } = entry.value;
  if (!warnings.includes(warning)) entry.value = { ...entry.value, warnings: [...warnings, warning] };
  const state: JobState = { kind: "FAILED", endedMs: clock.wallMs(), reason };
  return { manifestSha256, done: [], state, unreadable: reason };
}

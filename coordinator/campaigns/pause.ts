/**
 * Pausing and resuming. A paused campaign gets no new attempts; what runs goes on and commits, what agents hold and have
 * not begun is asked back and costs nothing. It is durable: a campaign that was paused is paused after a restart.
 */
import type { CampaignState } from "../../shared/domain/campaign.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { CampaignEntry } from "./board.js";
import { tryCampaignEvent } from "./lifecycle.js";
import type { CampaignParts } from "./parts.js";

/** Pauses a campaign; one that is paused stays so. Throws failed_precondition unless it runs. */
export async function pauseCampaign(
  parts: CampaignParts,
  entry: CampaignEntry,
  reason: string,
): Promise<void> {
  const refused = await tryCampaignEvent(parts, entry, { kind: "pause", reason });
  if (refused !== undefined && entry.value.state.kind !== "PAUSED") throw cannot(entry, "paused");
}

/** Lets a paused campaign go on; one that runs does. Throws failed_precondition unless it is paused. */
export async function resumeCampaign(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const refused = await tryCampaignEvent(parts, entry, { kind: "resume" });
  if (refused !== undefined && entry.value.state.kind !== "RUNNING") throw cannot(entry, "resumed");
}

function cannot({ value }: CampaignEntry, verb: string): SaiError {
  const [is, hint] = standing(value.state);
  return new SaiError("failed_precondition", `campaign ${value.id} ${is} and cannot be ${verb}`, { hint });
}

function standing(state: CampaignState): [is: string, hint: string] {
  switch (state.kind) {
    case "SUBMITTED":
    case "PLANNED":
      return ["is being planned", "try again when it runs"];
    case "RUNNING":
      return ["runs", "only a paused campaign can be resumed"];
    case "PAUSED":
      return ["is paused", "`sai campaign resume` lets it go on"];
    case "SEALING":
      return ["has no work left and is being closed", "its results stay as they are"];
    default:
      return [
        `has ended (${state.kind.toLowerCase()})`,
        "`sai campaign retry` runs again what has no answer",
      ];
  }
}

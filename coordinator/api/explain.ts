/**
 * Why a campaign is where it is: what holds it as a whole, and per job where its shards are and why those that wait do.
 * The scheduler's own answer for this moment, put beside what only the board and the fleet know. Changes nothing.
 */
import { count } from "../../shared/benchmark/count.js";
import type {
  ExplainCampaignResponse,
  JobExplanation,
  Placement,
  Reason,
} from "../../shared/gen/sai/v1/campaign.js";
import { type CampaignEntry, isEnded, type JobEntry } from "../campaigns/board.js";
import type { JobWaiting } from "../scheduler/snapshot.js";
import type { NodeEntry } from "../sessions/fleet.js";

/** What is so of the coordinator as a whole; each is one sentence, empty when it is not so. */
export interface Circumstances {
  brake: string;
  refusesCampaigns: string;
}

/** Everything but the campaign itself. `waiting` is what the scheduler says of this campaign's jobs. */
export function explain(
  entry: CampaignEntry,
  waiting: readonly JobWaiting[],
  nodes: readonly NodeEntry[],
  circumstances: Circumstances,
): Pick<ExplainCampaignResponse, "reasons" | "jobs"> {
  const reasons = reasonsOf(entry, circumstances);
  if (isEnded(entry.value.state)) return { reasons, jobs: [] };
  const said = new Map(waiting.map((w) => [w.job, w]));
  const placed = placements(entry.value.id, nodes);
  const open = entry.jobs.filter((job) => !isEnded(job.state) && job.state.kind !== "SEALING");
  const jobs = open.map((job) => jobExplanation(job, said.get(job.spec.id), placed.get(job.spec.id) ?? []));
  return { reasons, jobs };
}

function reasonsOf(entry: CampaignEntry, { brake, refusesCampaigns }: Circumstances): Reason[] {
  const { state } = entry.value;
  const why = "reason" in state && state.reason !== "" ? `: ${state.reason}` : "";
  if (isEnded(state)) return [{ code: "ended", message: `it has ended, ${state.kind.toLowerCase()}${why}` }];
  const reasons: Reason[] = [];
  const say = (code: string, message: string) => reasons.push({ code, message });
  if (state.kind === "SUBMITTED") say("planning", "it is being planned");
  if (state.kind === "PLANNED") say("opening", "its jobs' gates are being opened");
  if (state.kind === "SEALING") say("sealing", "its work is over; manifests and summary are being written");
  if (state.kind === "PAUSED")
    say("paused", `it is paused${why}; what runs finishes, \`sai campaign resume\` goes on`);
  const held = entry.jobs.filter((job) => job.held).length;
  if (held > 0)
    say("held_back", `${count(held, "job")} held back until the nodes known before the start have reported`);
  if (brake !== "") say("brake", brake);
  if (refusesCampaigns !== "") say("store_full", refusesCampaigns);
  return reasons;
}

function jobExplanation(
  job: JobEntry,
  waiting: JobWaiting | undefined,
  placements: Placement[],
): JobExplanation {
  return {
    jobId: job.spec.id,
    shardsReady: job.pending.ready,
    shardsBackingOff: job.pending.waiting,
    shardsRunning: job.inFlight,
    shardsDone: job.done.size - job.counters.splits,
    reasons: waiting ? [{ code: waiting.code, message: waiting.message }] : [],
    nodes: (waiting?.nodes ?? []).map(({ code, message, nodes, count }) => ({
      ...{ reason: { code, message }, count },
      nodes: [...nodes],
    })),
    placements,
  };
}

/** By job of the campaign: where its attempts are, and why they were given there. */
function placements(campaign: string, nodes: readonly NodeEntry[]): Map<string, Placement[]> {
  const found = new Map<string, Placement[]>();
  for (const node of nodes) {
    const here = new Map<string, Placement>();
    for (const { shard, why = "" } of node.attempts.values()) {
      if (shard.campaign !== campaign) continue;
      const key = `${shard.job} ${why}`;
      const known = here.get(key);
      if (known) known.attempts += 1;
      else {
        const placement = { node: node.id, attempts: 1, why };
        here.set(key, placement);
        found.set(shard.job, [...(found.get(shard.job) ?? []), placement]);
      }
    }
  }
  return found;
}

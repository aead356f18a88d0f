import type { JobServiceServer } from "../../shared/gen/sai/v1/job.js";
import { type CallObserver, unary } from "../../shared/rpc/serve.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { type Board, isEnded, type JobEntry, rangeOf } from "../campaigns/board.js";
import { noCampaign } from "../results/streamed-results.js";
import { jobProgressMessage } from "./convert.js";

/** sai.v1.JobService: the cells of a campaign and where their shards are. */
export function jobService(board: Board, calls: CallObserver): JobServiceServer {
  const jobs = async (campaign: string): Promise<readonly JobEntry[]> => {
    const entry = board.campaign(campaign);
    if (entry === undefined) throw noCampaign(campaign);
    await board.loaded(entry);
    return entry.jobs;
  };
  return {
    listJobs: unary(calls, async ({ campaignId }) => ({
      jobs: (await jobs(campaignId)).map((job) => ({ ...jobMessage(campaignId, job), shards: [] })),
    })),
    getJob: unary(calls, async ({ campaignId, jobId }) => {
      const job = (await jobs(campaignId)).find((j) => j.spec.id === jobId);
      if (job === undefined) {
        throw new SaiError("not_found", `campaign ${campaignId} has no job ${jobId.slice(0, 80)}`);
      }
      return {
        job: { ...jobMessage(campaignId, job), shards: job.shards.map((_, i) => shardMessage(job, i)) },
      };
    }),
  };
}

const jobMessage = (campaignId: string, job: JobEntry) => ({
  campaignId,
  progress: jobProgressMessage(job),
  engine: job.spec.model.engine,
  shardSize: job.spec.shardSize,
});

function shardMessage(job: JobEntry, index: number) {
  const state = job.shards[index];
  const done = job.done.get(index);
  const agent =
    state && "agent" in state && !isEnded(job.state)
      ? state.agent
      : done?.kind === "result"
        ? done.agent
        : "";
  const failures = state && "failures" in state ? state.failures : { infra: 0, resource: 0, poison: 0 };
  return {
    index,
    ...rangeOf(job, index),
    state: isEnded(job.state) && done === undefined ? "cancelled" : (state?.kind ?? "PENDING").toLowerCase(),
    node: agent,
    attempts: failures.infra + failures.resource + failures.poison,
  };
}

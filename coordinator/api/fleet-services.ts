import { shardRange } from "../../shared/domain/sharding.js";
import type { AdminServiceServer } from "../../shared/gen/sai/v1/admin.js";
import type { EventServiceServer } from "../../shared/gen/sai/v1/event.js";
import type { GpuServiceServer } from "../../shared/gen/sai/v1/gpu.js";
import type { JobServiceServer } from "../../shared/gen/sai/v1/job.js";
import type { NodeServiceServer } from "../../shared/gen/sai/v1/node.js";
import { type CallObserver, streaming, unary } from "../../shared/rpc/serve.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { type Board, isEnded, type JobEntry } from "../campaigns/board.js";
import type { EventLog } from "../events.js";
import { noCampaign } from "../results/streamed-results.js";
import type { Fleet, NodeEntry } from "../sessions/fleet.js";
import { jobProgressMessage, nodeMessage } from "./convert.js";

/** sai.v1.JobService: the cells of a campaign and where their shards are. */
export function jobService(board: Board, calls: CallObserver): JobServiceServer {
  const jobs = (campaign: string): JobEntry[] => {
    const entry = board.campaign(campaign);
    if (entry === undefined) throw noCampaign(campaign);
    return entry.jobs;
  };
  return {
    listJobs: unary(calls, ({ campaignId }) => ({
      jobs: jobs(campaignId).map((job) => ({ ...jobMessage(campaignId, job), shards: [] })),
    })),
    getJob: unary(calls, ({ campaignId, jobId }) => {
      const job = jobs(campaignId).find((j) => j.spec.id === jobId);
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
    ...shardRange(index, job.spec.samples, job.spec.shardSize),
    state: isEnded(job.state) && done === undefined ? "cancelled" : (state?.kind ?? "PENDING").toLowerCase(),
    node: agent,
    attempts: failures.infra + failures.resource + failures.poison,
  };
}

/** sai.v1.NodeService. */
export const nodeService = (fleet: Fleet, calls: CallObserver): NodeServiceServer => ({
  listNodes: unary(calls, () => ({ nodes: fleet.list().map(nodeMessage) })),
  getNode: unary(calls, ({ id }) => ({ node: nodeMessage(foundNode(fleet, id)) })),
});

/** sai.v1.GpuService: every device but CPU slots and places for remote requests. */
export const gpuService = (fleet: Fleet, calls: CallObserver): GpuServiceServer => ({
  listGpus: unary(calls, ({ node }) => {
    const nodes = node === "" ? fleet.list() : [foundNode(fleet, node)];
    return {
      gpus: nodes.flatMap((entry) =>
        (nodeMessage(entry).inventory?.devices ?? [])
          .filter((device) => device.kind !== "cpu" && device.kind !== "remote")
          .map((device) => ({ node: entry.id, device })),
      ),
    };
  }),
});

function foundNode(fleet: Fleet, id: string): NodeEntry {
  const node = fleet.node(id);
  if (node) return node;
  throw new SaiError("not_found", `no node ${id.slice(0, 80)}`, {
    hint: "`sai node list` shows those there are",
  });
}

/** sai.v1.EventService. */
export const eventService = (events: EventLog, calls: CallObserver): EventServiceServer => ({
  streamEvents: streaming(calls, async function* ({ since, campaignId }, signal) {
    for await (const { timeMs, campaign, job, node, ...event } of events.follow(since, campaignId, signal)) {
      yield { event: { ...event, time: new Date(timeMs), campaignId: campaign, jobId: job, nodeId: node } };
    }
  }),
});

/** sai.v1.AdminService. */
export const adminService = (
  about: { version: string; clusterId: string; epoch: bigint; store: string; startMs: number },
  board: Board,
  fleet: Fleet,
  calls: CallObserver,
): AdminServiceServer => ({
  getStatus: unary(calls, () => {
    const nodes = fleet.list();
    const campaigns = board.list().filter((entry) => !isEnded(entry.value.state));
    const shards = campaigns.flatMap((entry) => entry.jobs.flatMap((job) => job.shards));
    return {
      version: about.version,
      clusterId: about.clusterId,
      epoch: String(about.epoch),
      store: about.store,
      startTime: new Date(about.startMs),
      nodesReady: nodes.filter((node) => node.state.kind === "READY").length,
      nodes: nodes.length,
      campaignsActive: campaigns.length,
      shardsPending: shards.filter((shard) => shard.kind === "PENDING").length,
      shardsRunning: shards.filter((shard) => "agent" in shard).length,
    };
  }),
});

import type { AdminServiceServer, Brake } from "../../shared/gen/sai/v1/admin.js";
import { type CallObserver, unary } from "../../shared/rpc/serve.js";
import { type Board, isEnded } from "../campaigns/board.js";
import type { Fleet } from "../sessions/fleet.js";
import { reasonField, refuseAll } from "./check.js";
import { nodeMessage } from "./convert.js";

/** What the API says of the coordinator itself. */
export interface About {
  version: string;
  clusterId: string;
  epoch: bigint;
  store: string;
  /** Wall ms. */
  startMs: number;
}

export interface AdminParts {
  about: About;
  board: Board;
  fleet: Fleet;
  /** The mass-loss brake. */
  brake: { now(): Brake; release(reason: string): boolean };
  /** How long this coordinator has been running, s. */
  uptimeS(): number;
  /** host:port of this API. */
  leader(): string;
  storeUsage(): Promise<{ usedBytes: number; quotaBytes: number }>;
  /** Results that wait to be committed. */
  commitQueue(): number;
  /** Why new campaigns are refused; empty if they are not. */
  refusesCampaigns(): string;
}

/** sai.v1.AdminService. */
export const adminService = (parts: AdminParts, calls: CallObserver): AdminServiceServer => ({
  getStatus: unary(calls, async () => {
    const { about, board, fleet } = parts;
    const nodes = fleet.list();
    const shown = nodes.map(nodeMessage);
    const campaigns = board.list().filter((entry) => !isEnded(entry.value.state));
    const shards = campaigns.flatMap((entry) => entry.jobs.flatMap((job) => job.shards));
    const { usedBytes, quotaBytes } = await parts.storeUsage();
    return {
      version: about.version,
      clusterId: about.clusterId,
      epoch: String(about.epoch),
      store: about.store,
      startTime: new Date(about.startMs),
      uptimeS: parts.uptimeS(),
      leader: parts.leader(),
      nodesReady: nodes.filter((node) => node.state.kind === "READY").length,
      nodes: nodes.length,
      campaignsActive: campaigns.length,
      campaignsHeld: 0,
      refusesCampaigns: parts.refusesCampaigns(),
      shardsPending: shards.filter((shard) => shard.kind === "PENDING").length,
      shardsRunning: shards.filter((shard) => "agent" in shard).length,
      storeUsedBytes: usedBytes,
      storeQuotaBytes: quotaBytes,
      brake: parts.brake.now(),
      commitQueue: parts.commitQueue(),
      spoolResults: shown.reduce((sum, node) => sum + node.spoolResults, 0),
      spoolBytes: shown.reduce((sum, node) => sum + node.spoolBytes, 0),
    };
  }),
  releaseBrake: unary(calls, ({ reason }) => {
    refuseAll([reasonField(reason)]);
    const released = parts.brake.release(reason);
    return { released, brake: parts.brake.now() };
  }),
});

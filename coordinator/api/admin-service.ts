import type { AdminServiceServer, Brake as BrakeMessage } from "../../shared/gen/sai/v1/admin.js";
import { type CallObserver, unary } from "../../shared/rpc/serve.js";
import { type Board, isEnded } from "../campaigns/board.js";
import { whyRefused } from "../campaigns/new-campaign.js";
import type { Indexing } from "../index/indexing.js";
import type { Brake } from "../sessions/brake.js";
import { brakeEnds, brakeText } from "../sessions/brake-state.js";
import type { Fleet } from "../sessions/fleet.js";
import type { StoreUsage } from "../store/store.js";
import { reasonField, refuseAll } from "./check.js";

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
  brake: Brake;
  /** How long this coordinator has been running, s. */
  uptimeS(): number;
  /** host:port of this API; empty until it is bound. */
  leader(): string;
  storeUsage(): Promise<StoreUsage>;
  /** Results that wait to be committed. */
  commitQueue(): number;
  index: Pick<Indexing, "status" | "reindex">;
  /** Ends this term once the caller has its answer. */
  transfer(reason: string): void;
}

/** sai.v1.AdminService. */
export const adminService = (parts: AdminParts, calls: CallObserver): AdminServiceServer => ({
  getStatus: unary(calls, async () => {
    const { about, board, fleet } = parts;
    const nodes = fleet.list();
    const campaigns = board.list().filter((entry) => !isEnded(entry.value.state));
    const open = campaigns.flatMap((entry) => entry.jobs);
    const usage = await parts.storeUsage();
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
      campaignsHeld: campaigns.filter((entry) => entry.jobs.some((job) => job.held)).length,
      refusesCampaigns: whyRefused(usage),
      shardsPending: open.reduce((sum, job) => sum + job.pending.size, 0),
      shardsRunning: open.reduce((sum, job) => sum + job.inFlight, 0),
      storeUsedBytes: usage.usedBytes,
      storeQuotaBytes: usage.quotaBytes,
      brake: brakeMessage(parts.brake),
      commitQueue: parts.commitQueue(),
      spoolResults: nodes.reduce((sum, { spool }) => sum + spool.results, 0),
      spoolBytes: nodes.reduce((sum, { spool }) => sum + spool.bytes, 0),
      index: parts.index.status(),
    };
  }),
  releaseBrake: unary(calls, ({ reason }) => {
    refuseAll([reasonField(reason)]);
    const released = parts.brake.release(reason === "" ? "asked to" : reason);
    return { released, brake: brakeMessage(parts.brake) };
  }),
  transferLeadership: unary(calls, ({ reason }) => {
    refuseAll([reasonField(reason)]);
    parts.transfer(reason);
    return { epoch: String(parts.about.epoch), leader: parts.leader() };
  }),
  reindex: unary(calls, async () => ({ generation: await parts.index.reindex() })),
});

function brakeMessage({ state, since }: Brake): BrakeMessage {
  return {
    engaged: state.kind === "engaged",
    causes: state.kind === "engaged" ? Object.keys(state.causes) : [],
    message: brakeText(state),
    since: since === undefined ? undefined : new Date(since),
    ends: brakeEnds(state),
  };
}

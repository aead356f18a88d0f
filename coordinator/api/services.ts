/** All services of sai.v1 on one server, with reflection and health. */
import type { Artifacts } from "../../shared/artifacts/store.js";
import { AdminServiceService } from "../../shared/gen/sai/v1/admin.js";
import { ArtifactServiceService } from "../../shared/gen/sai/v1/artifact.js";
import { CampaignServiceService, type CampaignSpec } from "../../shared/gen/sai/v1/campaign.js";
import { EventServiceService } from "../../shared/gen/sai/v1/event.js";
import { GpuServiceService } from "../../shared/gen/sai/v1/gpu.js";
import { JobServiceService } from "../../shared/gen/sai/v1/job.js";
import { NodeServiceService } from "../../shared/gen/sai/v1/node.js";
import { ResultServiceService } from "../../shared/gen/sai/v1/result.js";
import { addHealth } from "../../shared/rpc/health.js";
import { addReflection } from "../../shared/rpc/reflection.js";
import type { CallObserver } from "../../shared/rpc/serve.js";
import type { ServiceTable } from "../../shared/rpc/services.js";
import type { CampaignEntry } from "../campaigns/board.js";
import { whyRefused } from "../campaigns/new-campaign.js";
import type { CampaignParts } from "../campaigns/parts.js";
import { pauseCampaign, resumeCampaign } from "../campaigns/pause.js";
import { rescoreCampaign } from "../campaigns/rescore.js";
import { type RetryOptions, retryCampaign } from "../campaigns/retry.js";
import type { Indexing } from "../index/indexing.js";
import type { RecordReader } from "../index/record-reader.js";
import type { JobWaiting } from "../scheduler/snapshot.js";
import type { Brake } from "../sessions/brake.js";
import { brakeText } from "../sessions/brake-state.js";
import type { Fleet } from "../sessions/fleet.js";
import type { FleetAdmin } from "../sessions/fleet-admin.js";
import type { StoreUsage } from "../store/store.js";
import { adminService } from "./admin-service.js";
import { artifactService } from "./artifact-service.js";
import { campaignService } from "./campaign-service.js";
import { baselineView, compareQuestions } from "./compare-questions.js";
import { requestOf } from "./convert.js";
import { eventService } from "./event-service.js";
import { explain } from "./explain.js";
import { gpuService } from "./gpu-service.js";
import { indexQuestions } from "./index-questions.js";
import { jobService } from "./job-service.js";
import { nodeService } from "./node-service.js";
import { resultService } from "./result-service.js";

const SERVICES = [
  "AdminService",
  "ArtifactService",
  "CampaignService",
  "EventService",
  "GpuService",
  "JobService",
  "NodeService",
  "ResultService",
].map((name) => `sai.v1.${name}`);

/** One term of leadership as people may ask of it; `startCore` makes it. */
export interface Term {
  readonly epoch: bigint;
  readonly clusterId: string;
  readonly campaigns: CampaignParts;
  readonly fleet: Fleet;
  readonly admin: FleetAdmin;
  readonly brake: Brake;
  /** Why shards of a campaign wait, as the scheduler would say now. */
  waiting(campaign: string): JobWaiting[];
}

export interface ApiParts {
  term: Term;
  artifacts: Artifacts;
  about: { version: string; store: string };
  /** host:port of this API; empty until it is bound. */
  address(): string;
  storeUsage(): Promise<StoreUsage>;
  /** The results index, and what reads the records that it finds. */
  index: Pick<Indexing, "ask" | "status" | "reindex">;
  records: RecordReader;
  /** Gives the leadership to another. */
  transfer(reason: string): void;
  calls: CallObserver;
}

/** What is served as sai.v1, by a leader itself and by a follower at the leader's. */
export const API_SERVICES = [
  AdminServiceService,
  ArtifactServiceService,
  CampaignServiceService,
  EventServiceService,
  GpuServiceService,
  JobServiceService,
  NodeServiceService,
  ResultServiceService,
];

/** Reflection over the API, and health that says whether it is served now. */
export function addReflectionAndHealth(table: ServiceTable, serving: () => boolean): void {
  addReflection(table, [...SERVICES, "grpc.health.v1.Health"]);
  addHealth(table, SERVICES, serving);
}

export function addApi(server: ServiceTable, parts: ApiParts): void {
  const { artifacts, calls, term } = parts;
  const { admin, brake, campaigns, fleet } = term;
  const { board, clock, events, results } = campaigns;
  const startMs = clock.nowMs();
  const about = {
    ...{ ...parts.about, clusterId: term.clusterId, epoch: term.epoch },
    startMs: clock.wallMs(),
  };
  const status = {
    ...{ about, board, fleet, brake, storeUsage: parts.storeUsage },
    uptimeS: () => (clock.nowMs() - startMs) / 1000,
    ...{ leader: parts.address, transfer: parts.transfer },
    commitQueue: () => campaigns.commits.waiting,
    index: parts.index,
  };
  const uses = {
    pause: (entry: CampaignEntry, reason: string) => pauseCampaign(campaigns, entry, reason),
    resume: (entry: CampaignEntry) => resumeCampaign(campaigns, entry),
    retry: (entry: CampaignEntry, options: RetryOptions) => retryCampaign(campaigns, entry, options),
    explain: async (entry: CampaignEntry) => {
      const refusesCampaigns = whyRefused(await parts.storeUsage());
      const circumstances = { brake: brakeText(brake.state), refusesCampaigns };
      return explain(entry, term.waiting(entry.value.id), fleet.list(), circumstances);
    },
  };
  server.addService(AdminServiceService, adminService(status, calls));
  server.addService(ArtifactServiceService, artifactService(artifacts, calls, clock));
  server.addService(CampaignServiceService, campaignService(campaigns, uses, calls));
  server.addService(EventServiceService, eventService(events, term.epoch, calls));
  server.addService(GpuServiceService, gpuService(fleet, calls));
  server.addService(JobServiceService, jobService(board, calls));
  server.addService(NodeServiceService, nodeService(fleet, admin, calls));
  const questions = indexQuestions(parts.index, parts.records, calls);
  const compare = compareQuestions(campaigns, about.version, calls);
  const baseline = (campaign: string) => baselineView(campaigns, campaign);
  const rescore = (campaign: string, spec: CampaignSpec | undefined) =>
    rescoreCampaign(campaigns, campaign, spec && requestOf(spec));
  server.addService(
    ResultServiceService,
    resultService(results, questions, compare, baseline, rescore, about.version, calls),
  );
}

/** All services of sai.v1 on one server, with reflection and health. */
import type { Server } from "@grpc/grpc-js";
import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { AdminServiceService } from "../../shared/gen/sai/v1/admin.js";
import { ArtifactServiceService } from "../../shared/gen/sai/v1/artifact.js";
import { CampaignServiceService } from "../../shared/gen/sai/v1/campaign.js";
import { EventServiceService } from "../../shared/gen/sai/v1/event.js";
import { GpuServiceService } from "../../shared/gen/sai/v1/gpu.js";
import { JobServiceService } from "../../shared/gen/sai/v1/job.js";
import { NodeServiceService } from "../../shared/gen/sai/v1/node.js";
import { ResultServiceService } from "../../shared/gen/sai/v1/result.js";
import { addHealth } from "../../shared/rpc/health.js";
import { addReflection } from "../../shared/rpc/reflection.js";
import type { CallObserver } from "../../shared/rpc/serve.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { CampaignParts } from "../campaigns/parts.js";
import type { Fleet } from "../sessions/fleet.js";
import { adminService } from "./admin-service.js";
import { artifactService } from "./artifact-service.js";
import { campaignService } from "./campaign-service.js";
import { eventService } from "./event-service.js";
import { jobService } from "./job-service.js";
import { gpuService, nodeService } from "./node-service.js";
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

export interface ApiParts {
  campaigns: CampaignParts;
  fleet: Fleet;
  artifacts: ArtifactStore;
  about: { version: string; clusterId: string; epoch: bigint; store: string; startMs: number };
  serving(): boolean;
  calls: CallObserver;
}

export function addApi(server: Server, parts: ApiParts): void {
  const { campaigns, fleet, calls } = parts;
  const startMs = campaigns.clock.nowMs();
  server.addService(
    AdminServiceService,
    adminService(
      {
        ...{ about: parts.about, board: campaigns.board, fleet },
        brake: {
          now: () => ({ engaged: false, cause: "", message: "", since: undefined, ends: "" }),
          release: () => false,
        },
        uptimeS: () => (campaigns.clock.nowMs() - startMs) / 1000,
        leader: () => "",
        storeUsage: async () => ({ usedBytes: 0, quotaBytes: 0 }),
        commitQueue: () => 0,
        refusesCampaigns: () => "",
      },
      calls,
    ),
  );
  server.addService(ArtifactServiceService, artifactService(parts.artifacts, calls));
  server.addService(CampaignServiceService, campaignService(campaigns, LATER_CAMPAIGN, calls));
  server.addService(EventServiceService, eventService(campaigns.events, parts.about.epoch, calls));
  server.addService(GpuServiceService, gpuService(fleet, calls));
  server.addService(JobServiceService, jobService(campaigns.board, calls));
  server.addService(NodeServiceService, nodeService(fleet, LATER_FLEET, calls));
  server.addService(ResultServiceService, resultService(campaigns.results, parts.about.version, calls));
  addReflection(server, [...SERVICES, "grpc.health.v1.Health"]);
  addHealth(server, SERVICES, parts.serving);
}

const later = async (): Promise<never> => {
  throw new SaiError("failed_precondition", "this coordinator cannot do that yet");
};
const LATER_CAMPAIGN = { pause: later, resume: later, retry: later };
const LATER_FLEET = { cordon: later, uncordon: later, drain: later, label: later, remove: later };

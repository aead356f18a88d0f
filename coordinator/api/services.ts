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
import type { CampaignParts } from "../campaigns/parts.js";
import type { Fleet } from "../sessions/fleet.js";
import { artifactService } from "./artifact-service.js";
import { campaignService } from "./campaign-service.js";
import { adminService, eventService, gpuService, jobService, nodeService } from "./fleet-services.js";
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
  server.addService(AdminServiceService, adminService(parts.about, campaigns.board, fleet, calls));
  server.addService(ArtifactServiceService, artifactService(parts.artifacts, calls));
  server.addService(CampaignServiceService, campaignService(campaigns, calls));
  server.addService(EventServiceService, eventService(campaigns.events, calls));
  server.addService(GpuServiceService, gpuService(fleet, calls));
  server.addService(JobServiceService, jobService(campaigns.board, calls));
  server.addService(NodeServiceService, nodeService(fleet, calls));
  server.addService(ResultServiceService, resultService(campaigns.results, parts.about.version, calls));
  addReflection(server, [...SERVICES, "grpc.health.v1.Health"]);
  addHealth(server, SERVICES, parts.serving);
}

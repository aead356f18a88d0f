/** From the board and the fleet to the messages people see. */

import type { Tally } from "../../shared/domain/campaign.js";
import {
  type Campaign,
  type CampaignSpec,
  CampaignState,
  type JobProgress,
  type Progress,
  ResolvedInput_Kind,
} from "../../shared/gen/sai/v1/campaign.js";
import type { GpuStates, Node } from "../../shared/gen/sai/v1/node.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { type CampaignEntry, type JobEntry, tallyCampaign, tallyJob } from "../campaigns/board.js";
import { tenantOf } from "../campaigns/quotas.js";
import type { CampaignRequest } from "../campaigns/request.js";
import { DEFAULT_TENANT } from "../scheduler/snapshot.js";
import type { NodeEntry } from "../sessions/fleet.js";

export function requestOf(spec: CampaignSpec | undefined): CampaignRequest {
  if (spec === undefined) {
    throw new SaiError("invalid_argument", "the request cannot be accepted", {
      violations: [{ field: "spec", description: "is required" }],
    });
  }
  return {
    suite: spec.suite,
    inputs: spec.inputs.map((input, i) => ({
      kind: inputKindOf(input.kind, i),
      id: input.id,
      sha256: input.sha256,
      warnings: input.warnings,
    })),
    modelMap: { ...spec.modelMap },
    priority: spec.priority,
    // The default one goes without: so a request has the hash that it had before there were others.
    ...(spec.tenant === "" || spec.tenant === DEFAULT_TENANT ? {} : { tenant: spec.tenant }),
  };
}

function inputKindOf(kind: ResolvedInput_Kind, i: number): "dataset" | "prompt" {
  if (kind === ResolvedInput_Kind.DATASET) return "dataset";
  if (kind === ResolvedInput_Kind.PROMPT) return "prompt";
  throw new SaiError("invalid_argument", "the request cannot be accepted", {
    violations: [{ field: `spec.inputs[${i}].kind`, description: "must be KIND_DATASET or KIND_PROMPT" }],
  });
}

export function campaignMessage(entry: CampaignEntry, withJobs: boolean): Campaign {
  const { value } = entry;
  const { state } = value;
  return {
    id: value.id,
    name: value.name,
    description: value.description,
    state: CampaignState[state.kind],
    reason: "reason" in state ? state.reason : "",
    createTime: new Date(value.createdMs),
    endTime: entry.endedMs === undefined ? undefined : new Date(entry.endedMs),
    priority: value.priority,
    tenant: tenantOf(value),
    progress: progressMessage(tallyCampaign(entry)),
    jobs: withJobs ? entry.jobs.map(jobProgressMessage) : [],
    warnings: value.warnings,
    suiteSha256: value.suiteSha256,
    planSha256: ("planSha256" in state && state.planSha256) || "",
    simulated: value.simulated ?? entry.jobs.some((job) => job.spec.model.engine === "simulated"),
    waiting: state.kind === "RUNNING" ? entry.waiting : [],
    retryOf: value.retryOf ?? "",
    retriedBy: [...entry.retriedBy],
  };
}

export function jobProgressMessage(job: JobEntry): JobProgress {
  const { id, model, prompt, dataset } = job.spec;
  return {
    id,
    model: model.id,
    prompt: prompt.id,
    dataset: dataset.id,
    state: job.state.kind.toLowerCase(),
    progress: progressMessage(tallyJob(job)),
    held: job.held,
  };
}

const progressMessage = (tally: Tally): Progress => ({ ...tally });

/** Why it takes no work, with how its hardware is not what it was. */
function cordonReason({ id, cordon, contradiction }: NodeEntry): string {
  if (cordon.kind === "open" || contradiction === "") return cordon.kind === "open" ? "" : cordon.reason;
  const why = cordon.reason === "" ? "" : `${cordon.reason}: `;
  return `${why}${contradiction}; \`sai node uncordon ${id}\` takes it as it is`;
}

/** `gpuStates`: the node's, as of now. */
export function nodeMessage(node: NodeEntry, gpuStates: GpuStates | undefined): Node {
  const { quarantine } = node;
  const held = [...node.attempts.values()];
  const inventory = node.inventory && {
    ...node.inventory,
    devices: node.inventory.devices.map((device) => ({
      ...device,
      used: held.filter((attempt) => attempt.lane === device.kind).length,
    })),
  };
  return {
    id: node.id,
    state: node.state.kind.toLowerCase(),
    reason: node.reason,
    incarnation: Number(node.incarnation),
    version: node.version,
    lastSeen: new Date(node.seenWallMs),
    inventory,
    attempts: held.length,
    loadedModels: node.loadedModels,
    loopLagMs: node.loopLagMs,
    cordoned: node.cordon.kind !== "open",
    cordonReason: cordonReason(node),
    labels: { ...node.labels },
    spoolResults: node.spool.results,
    spoolBytes: node.spool.bytes,
    notOffering: node.notOffering,
    quarantined: quarantine.kind === "quarantined",
    quarantineReason: quarantine.kind === "none" ? "" : quarantine.reason,
    quarantineUntil: quarantine.kind === "quarantined" ? new Date(quarantine.untilWallMs) : undefined,
    gpuStates,
  };
}

/** From the board and the fleet to the messages people see. */

import type { Budget } from "../../shared/benchmark/budget.js";
import type { Tally } from "../../shared/domain/campaign.js";
import {
  type Campaign,
  type CampaignSpec,
  CampaignState,
  type JobProgress,
  type Progress,
  ResolvedInput_Kind,
  type Budget as WireBudget,
} from "../../shared/gen/sai/v1/campaign.js";
import type { GpuStates, Node } from "../../shared/gen/sai/v1/node.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { type CampaignEntry, type JobEntry, tallyCampaign, tallyJob } from "../campaigns/board.js";
import { budgetOf, spentOf, wallOf } from "../campaigns/budgets.js";
import { tenantOf } from "../campaigns/quotas.js";
import type { CampaignRequest } from "../campaigns/request.js";
import { DEFAULT_TENANT } from "../scheduler/snapshot.js";
import type { NodeEntry } from "../sessions/fleet.js";
import { refuseAll } from "./check.js";

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

export function campaignMessage(entry: CampaignEntry, withJobs: boolean, nowMs: number): Campaign {
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
    ...budgetMessages(entry, nowMs),
    stoppedBy: value.stopped?.by ?? "",
  };
}

/** The budget and what is spent, the latter as far as anything is known of it. */
function budgetMessages(entry: CampaignEntry, nowMs: number): Pick<Campaign, "budget" | "spent"> {
  const budget = budgetOf(entry);
  const { usd, gpuHours } = spentOf(entry);
  const wallMs = entry.value.wall === undefined ? undefined : wallOf(entry, nowMs);
  const spent: WireBudget = {
    usd: usd > 0 || budget?.usd !== undefined ? usd : undefined,
    gpuHours: gpuHours > 0 || budget?.gpuHours !== undefined ? gpuHours : undefined,
    wallS: wallMs === undefined ? undefined : wallMs / 1000,
  };
  return {
    budget: budget && { usd: budget.usd, gpuHours: budget.gpuHours, wallS: budget.wallS },
    spent: Object.values(spent).some((value) => value !== undefined) ? spent : undefined,
  };
}

/** The limits of a request; undefined where it has none. Throws invalid_argument for what is no limit. */
export function budgetOfRequest(wire: WireBudget | undefined): Budget | undefined {
  if (wire === undefined) return undefined;
  const limits = { usd: wire.usd, gpu_hours: wire.gpuHours, wall_s: wire.wallS };
  refuseAll(
    Object.entries(limits).map(([key, value]) =>
      value === undefined || (Number.isFinite(value) && value > 0 && value <= 1e9)
        ? undefined
        : { field: `budget.${key}`, description: `is ${value}; it must be a number above 0 to 1000000000` },
    ),
  );
  const { usd, gpuHours, wallS } = wire;
  if (usd === undefined && gpuHours === undefined && wallS === undefined) return undefined;
  return {
    ...(usd === undefined ? {} : { usd }),
    ...(gpuHours === undefined ? {} : { gpuHours }),
    ...(wallS === undefined ? {} : { wallS }),
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

/**
 * Submitting: the suite is prepared and refused if it has errors; otherwise the campaign is stored with its idempotency
 * key, and only then it is acknowledged. Planning follows; a leader that begins meanwhile plans it again from the request.
 */
import { canonicalJson, type Json } from "../../shared/benchmark/json.js";
import type { Plan } from "../../shared/benchmark/plan.js";
import { campaignId } from "../../shared/domain/ids.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { Prepared } from "../../shared/suites/prepare.js";
import type { CampaignValue } from "../store/values.js";
import type { CampaignEntry } from "./board.js";
import { storeCampaign } from "./new-campaign.js";
import type { CampaignParts } from "./parts.js";
import { planCampaign, planOfSuite } from "./plan.js";
import { type CampaignRequest, prepareRequest, refused } from "./request.js";

/** Stores the campaign and starts planning it; returns what the idempotency key already names if it does. */
export async function submitCampaign(
  parts: CampaignParts,
  request: CampaignRequest,
  idempotencyKey: string,
): Promise<CampaignEntry> {
  const requestSha256 = sha256(canonicalJson(request as unknown as Json));
  let prepared: Prepared | undefined;
  const { entry, isNew } = await storeCampaign(
    parts,
    { idempotencyKey, requestSha256, tenant: request.tenant },
    async () => {
      prepared = await prepareRequest(parts, request);
      if (!prepared.ok) throw refused(prepared);
      return campaignValue(parts, request, prepared);
    },
  );
  if (isNew && prepared) {
    const suite = prepared;
    void planCampaign(parts, entry, () => planOfSuite(parts, suite, entry.value.id));
  }
  return entry;
}

/** The plan of a campaign as it was submitted. Throws when it cannot be planned any more. */
export async function planOfSubmitted(parts: CampaignParts, { value }: CampaignEntry): Promise<Plan> {
  const prepared = await prepareRequest(parts, value.request as unknown as CampaignRequest);
  if (!prepared.ok) throw refused(prepared);
  return planOfSuite(parts, prepared, value.id);
}

function campaignValue(parts: CampaignParts, request: CampaignRequest, prepared: Prepared): CampaignValue {
  const createdMs = parts.clock.wallMs();
  const warnings = prepared.findings
    .filter((f) => f.severity === "warning")
    .map((f) => `${f.field === "" ? "" : `${f.field}: `}${f.message}`);
  return {
    id: campaignId(createdMs, parts.random),
    name: prepared.suite?.name ?? "",
    description: prepared.suite?.description ?? "",
    priority: request.priority,
    ...(request.tenant === undefined ? {} : { tenant: request.tenant }),
    createdMs,
    suiteSha256: prepared.suiteSha256,
    request: request as unknown as Json,
    state: { kind: "SUBMITTED", sinceMs: createdMs },
    // What a client said of its datasets is among the findings already.
    warnings: [...new Set([...warnings, ...promptWarnings(request)])],
  };
}

const promptWarnings = ({ inputs }: CampaignRequest): string[] =>
  inputs.filter(({ kind }) => kind === "prompt").flatMap(({ warnings }) => warnings);

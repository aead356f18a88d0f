/**
 * Submitting: the suite is prepared and refused if it has errors; otherwise one fenced transaction writes the campaign
 * and its idempotency key, and only then it is acknowledged. Planning follows.
 *
 * 1. An acknowledged campaign exists.
 * 2. One idempotency key, one campaign: the same request again returns it, another request is refused.
 */

import { casKey, getCas } from "../../shared/artifacts/store.js";
import { hasErrors } from "../../shared/benchmark/finding.js";
import type { Item } from "../../shared/benchmark/item.js";
import { canonicalJson, type Json } from "../../shared/benchmark/json.js";
import { parseManifest } from "../../shared/datasets/manifest.js";
import { campaignId } from "../../shared/domain/ids.js";
import { type FieldViolation, SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { type Prepared, prepareSuite } from "../../shared/suites/prepare.js";
import { absent, put } from "../store/fenced-store.js";
import { decode, keys } from "../store/keys.js";
import type { Cmp } from "../store/store.js";
import type { CampaignValue } from "../store/values.js";
import type { CampaignEntry } from "./board.js";
import { type CampaignParts, write } from "./parts.js";
import { planCampaign } from "./plan.js";

/** What is submitted, as the API converts it. */
export interface CampaignRequest {
  suite: string;
  inputs: { kind: "dataset" | "prompt"; id: string; sha256: string; warnings: string[] }[];
  modelMap: { [id: string]: string };
  priority: number;
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Prepares a request; its findings say what is wrong. Throws invalid_argument for what is no request at all. */
export async function prepareRequest(parts: CampaignParts, request: CampaignRequest): Promise<Prepared> {
  checkFields(request);
  await checkInputSizes(parts, request);
  const manifests = new Map<string, { items: Item[]; warnings: string[] }>();
  const promptFiles = new Map<string, string>();
  for (const [i, input] of request.inputs.entries()) {
    const bytes = await getCas(parts.artifacts, input.sha256).catch((cause) => {
      const description = `no artifact ${input.sha256}; upload it before submitting`;
      throw invalid([{ field: `spec.inputs[${i}].sha256`, description }], cause);
    });
    try {
      if (input.kind === "prompt") promptFiles.set(input.id, UTF8.decode(bytes));
      else manifests.set(input.id, { items: parseManifest(bytes), warnings: input.warnings });
    } catch (cause) {
      const description = cause instanceof SaiError ? cause.message : "the prompt is not valid UTF-8";
      throw invalid([{ field: `spec.inputs[${i}]`, description }], cause);
    }
  }
  const available = parts.agents.available();
  return prepareSuite({
    text: request.suite,
    modelMap: request.modelMap,
    ...(available ? { available } : {}),
    files: { kind: "within", dir: parts.datasetsDir },
    manifests,
    promptFiles,
  });
}

/** Stores the campaign and starts planning it; returns what the idempotency key already names if it does. */
export async function submitCampaign(
  parts: CampaignParts,
  request: CampaignRequest,
  idempotencyKey: string,
): Promise<CampaignEntry> {
  if (idempotencyKey.length > 256) {
    throw invalid([
      { field: "idempotency_key", description: `has ${idempotencyKey.length} characters, at most 256` },
    ]);
  }
  const requestSha256 = sha256(canonicalJson(request as unknown as Json));
  const known = await knownCampaign(parts, idempotencyKey, requestSha256);
  if (known) return known;

  const prepared = await prepareRequest(parts, request);
  if (!prepared.ok) throw refused(prepared);

  const value = campaignValue(parts, request, prepared);
  const ops = [put(keys.campaign(value.id), value)];
  const compare: Cmp[] = [absent(keys.campaign(value.id))];
  if (idempotencyKey !== "") {
    const idem = keys.idem(sha256(idempotencyKey));
    const expired = await parts.state.get(idem.key);
    compare.push(
      expired.kv === undefined
        ? absent(idem)
        : { key: idem.key, target: "mod", op: "=", operand: expired.kv.modRev },
    );
    ops.push(put(idem, { requestSha256, campaign: value.id, createdMs: value.createdMs }));
  }
  try {
    await write(parts, { compare, ops });
  } catch (error) {
    // Two requests with one key at once: the other one won.
    const winner = await knownCampaign(parts, idempotencyKey, requestSha256);
    if (winner) return winner;
    throw error;
  }
  const entry = parts.board.add(value);
  parts.events.add("campaign.submitted", { campaign: value.id }, `${value.name} was submitted`);
  void planCampaign(parts, entry, prepared);
  return entry;
}

/** The campaign an idempotency key stands for. Throws already_exists when it was another request. */
async function knownCampaign(
  parts: CampaignParts,
  idempotencyKey: string,
  requestSha256: string,
): Promise<CampaignEntry | undefined> {
  if (idempotencyKey === "") return undefined;
  const key = keys.idem(sha256(idempotencyKey));
  const { kv } = await parts.state.get(key.key);
  if (kv === undefined) return undefined;
  const idem = decode(key.codec, kv);
  if (parts.clock.wallMs() - idem.createdMs > parts.idempotencyTtlMs) return undefined;
  if (idem.requestSha256 !== requestSha256) {
    throw new SaiError(
      "already_exists",
      `the idempotency key was used for campaign ${idem.campaign} with another spec`,
      {
        hint: "send the same spec again, or use a new key",
      },
    );
  }
  return parts.board.campaign(idem.campaign);
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

const MAX_INPUTS = 400;
const MAX_INPUT_BYTES = 256 * 1024 * 1024;

/** What a request names is read at once, so it is bounded before anything is read. */
async function checkInputSizes(parts: CampaignParts, { inputs }: CampaignRequest): Promise<void> {
  let total = 0;
  for (const input of inputs) total += (await parts.artifacts.size(casKey(input.sha256))) ?? 0;
  if (total <= MAX_INPUT_BYTES) return;
  throw invalid([
    { field: "spec.inputs", description: `have ${total} bytes in all, at most ${MAX_INPUT_BYTES}` },
  ]);
}

const NAME = /^[A-Za-z0-9._:/@-]{1,128}$/;

function checkFields(request: CampaignRequest): void {
  const found: FieldViolation[] = [];
  if (request.suite.trim() === "")
    found.push({ field: "spec.suite", description: "is required: a suite as YAML or JSON" });
  if (Math.abs(request.priority) > 1000) {
    found.push({ field: "spec.priority", description: `is ${request.priority}, allowed are -1000 to 1000` });
  }
  if (request.inputs.length > 1000) {
    throw invalid([
      { field: "spec.inputs", description: `has ${request.inputs.length} entries, at most 1000` },
    ]);
  }
  if (request.inputs.length > MAX_INPUTS) {
    found.push({
      field: "spec.inputs",
      description: `has ${request.inputs.length} entries, at most ${MAX_INPUTS}`,
    });
  }
  for (const [i, input] of request.inputs.entries()) {
    const at = `spec.inputs[${i}]`;
    const same = request.inputs.findIndex((other) => other.kind === input.kind && other.id === input.id);
    if (same < i) found.push({ field: `${at}.id`, description: `stands for ${input.id} twice` });
    if (!/^[0-9a-f]{64}$/.test(input.sha256)) {
      found.push({ field: `${at}.sha256`, description: "is not a SHA-256 in lower-case hex" });
    }
    if (input.id === "" || input.id.length > 1024)
      found.push({ field: `${at}.id`, description: "needs 1 to 1024 characters" });
    if (input.warnings.length > 100 || input.warnings.some((warning) => warning.length > 2000))
      found.push({
        field: `${at}.warnings`,
        description: "has more than 100 entries, or one over 2000 characters",
      });
  }
  for (const id of Object.keys(request.modelMap)) {
    if (id !== "*" && !NAME.test(id)) {
      found.push({
        field: "spec.model_map",
        description: `has the key ${JSON.stringify(id.slice(0, 80))}, which is no model id`,
      });
    }
  }
  if (found.length > 0) throw invalid(found);
}

const invalid = (violations: FieldViolation[], cause?: unknown): SaiError =>
  new SaiError("invalid_argument", "the request cannot be accepted", {
    violations,
    ...(cause ? { cause } : {}),
  });

function refused(prepared: Prepared): SaiError {
  const errors = prepared.findings.filter((f) => hasErrors([f]));
  const violations = errors.map((f) => ({
    field: `spec.suite${f.field === "" ? "" : `:${f.field}`}`,
    description: `${f.line > 0 ? `line ${f.line}: ` : ""}${f.message}${f.hint === "" ? "" : ` (${f.hint})`}`,
  }));
  const count = `${errors.length} ${errors.length === 1 ? "error" : "errors"}`;
  return new SaiError("invalid_argument", `the suite has ${count}`, { violations });
}

/** What is submitted, and what of it can be refused before anything is stored. */
import { casKey, getCas } from "../../shared/artifacts/store.js";
import { hasErrors } from "../../shared/benchmark/finding.js";
import type { Item } from "../../shared/benchmark/item.js";
import { parseManifest } from "../../shared/datasets/manifest.js";
import { type FieldViolation, SaiError } from "../../shared/runtime/errors.js";
import { type Prepared, prepareSuite } from "../../shared/suites/prepare.js";
import type { CampaignParts } from "./parts.js";

/** What is submitted, as the API converts it. */
export interface CampaignRequest {
  suite: string;
  inputs: { kind: "dataset" | "prompt"; id: string; sha256: string; warnings: string[] }[];
  modelMap: { [id: string]: string };
  priority: number;
  /** Whose campaign it is; absent for the default tenant. */
  tenant?: string;
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

const TENANT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const NAME = /^[A-Za-z0-9._:/@-]{1,128}$/;

function checkFields(request: CampaignRequest): void {
  const found: FieldViolation[] = [];
  if (request.suite.trim() === "")
    found.push({ field: "spec.suite", description: "is required: a suite as YAML or JSON" });
  if (Math.abs(request.priority) > 1000) {
    found.push({ field: "spec.priority", description: `is ${request.priority}, allowed are -1000 to 1000` });
  }
  if (request.tenant !== undefined && !TENANT.test(request.tenant)) {
    found.push({ field: "spec.tenant", description: "is no name (letters, digits and . _ -, up to 63)" });
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

export const invalid = (violations: FieldViolation[], cause?: unknown): SaiError =>
  new SaiError("invalid_argument", "the request cannot be accepted", {
    violations,
    ...(cause ? { cause } : {}),
  });

/** Why a suite with errors is not accepted. */
export function refused(prepared: Prepared): SaiError {
  const errors = prepared.findings.filter((f) => hasErrors([f]));
  const violations = errors.map((f) => ({
    field: `spec.suite${f.field === "" ? "" : `:${f.field}`}`,
    description: `${f.line > 0 ? `line ${f.line}: ` : ""}${f.message}${f.hint === "" ? "" : ` (${f.hint})`}`,
  }));
  const count = `${errors.length} ${errors.length === 1 ? "error" : "errors"}`;
  return new SaiError("invalid_argument", `the suite has ${count}`, { violations });
}

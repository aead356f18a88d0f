/**
 * From a suite to a campaign: prepare it here (files are read on this machine), upload what the coordinator does not
 * have yet by hash, then create the campaign. The coordinator repeats the same preparation on what arrived.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { count } from "../shared/benchmark/count.js";
import type { Finding } from "../shared/benchmark/finding.js";
import { ENGINE_KINDS } from "../shared/benchmark/plan.js";
import { SaiError } from "../shared/runtime/errors.js";
import { sha256 } from "../shared/runtime/hash.js";
import { type Prepared, prepareSuite } from "../shared/suites/prepare.js";
import type { PrepareInput } from "../shared/suites/prepare-types.js";
import {
  type Campaign,
  type CampaignSpec,
  type Client,
  type ResolvedInput,
  ResolvedInput_Kind,
} from "./client.js";
import { type Context, say } from "./context.js";
import { painter } from "./output/color.js";
import { persist } from "./reconnect.js";

export interface SuiteSource {
  text: string;
  /** As shown in findings, such as `suite.yaml`. */
  label: string;
  /** Puts a finding into the words of the flags the suite was made of; absent for a suite that somebody wrote. */
  explain?: (finding: Finding) => Finding;
  files: NonNullable<PrepareInput["files"]>;
  modelMap: Readonly<Record<string, string>>;
}

/** Prepares the suite and prints what was found; SaiError("invalid_argument") when it cannot run. */
export async function prepareOrRefuse(
  context: Context,
  source: SuiteSource,
  available?: NonNullable<PrepareInput["available"]>,
): Promise<Prepared> {
  const { text, files, modelMap } = source;
  const prepared = await prepareSuite({ text, files, modelMap, ...(available && { available }) });
  printFindings(
    context,
    source.label,
    source.explain ? prepared.findings.map(source.explain) : prepared.findings,
  );
  if (!prepared.ok) throw refusal(source.label, prepared.findings);
  return prepared;
}

/** `1 error in suite.yaml`; the errors themselves are printed already. */
export function refusal(label: string, findings: readonly Finding[]): SaiError {
  const n = findings.filter((f) => f.severity === "error").length;
  return new SaiError(
    "invalid_argument",
    `${count(n, "error")}${label === "" ? "" : ` in ${label}`}; nothing was submitted`,
  );
}

/** `warning: suite.yaml:12: models[0]: what is wrong`, with the hint below; warnings are left out by --quiet. */
export function printFindings(context: Context, label: string, findings: readonly Finding[]): void {
  const paint = painter(context.flags.color && context.io.errIsTty);
  for (const f of findings) {
    if (f.severity === "warning" && context.flags.quiet) continue;
    const word = paint(`${f.severity}:`, f.severity === "error" ? "red" : "yellow");
    const place = f.line > 0 ? `${label}:${f.line}` : label;
    context.io.err(`${word} ${[place, f.field, f.message].filter((part) => part !== "").join(": ")}\n`);
    if (f.hint !== "") context.io.err(`  ${paint("hint:", "bold")} ${f.hint}\n`);
  }
}

/** What ready nodes can serve, for bare model ids; undefined while no node is ready. */
export async function availableModels(client: Client): Promise<PrepareInput["available"]> {
  const ready = (await client.listNodes()).filter((node) => node.state === "ready");
  if (ready.length === 0) return undefined;
  const infos = ready.flatMap((node) => node.inventory?.engines ?? []).filter((e) => e.unavailable === "");
  return ENGINE_KINDS.map((engine) => ({
    engine,
    models: [...new Set(infos.filter((info) => info.kind === engine).flatMap((info) => info.models))].sort(),
  })).filter((entry) => infos.some((info) => info.kind === entry.engine));
}

interface Blob {
  sha256: string;
  sizeBytes: number;
  chunks: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** What a campaign needs beside its suite: manifests, pictures and prompt texts, each blob once. */
export async function blobsOf(prepared: Prepared): Promise<Map<string, Blob>> {
  const blobs = new Map<string, Blob>();
  const inMemory = (bytes: Uint8Array, hash = sha256(bytes)) =>
    blobs.set(hash, { sha256: hash, sizeBytes: bytes.length, chunks: () => [bytes] });
  for (const dataset of prepared.datasets) {
    if (dataset.items.length === 0) continue;
    inMemory(dataset.manifest, dataset.sha256);
    for (const [hash, source] of dataset.media) {
      if (blobs.has(hash)) continue;
      if (typeof source !== "string") {
        inMemory(source, hash);
        continue;
      }
      const { size } = await stat(source);
      blobs.set(hash, { sha256: hash, sizeBytes: size, chunks: () => createReadStream(source) });
    }
  }
  for (const text of prepared.promptFiles.values()) inMemory(Buffer.from(text));
  return blobs;
}

/** Uploads what is missing; answers how many blobs and bytes travelled. */
export async function uploadMissing(
  client: Client,
  prepared: Prepared,
): Promise<{ blobs: number; bytes: number }> {
  const blobs = await blobsOf(prepared);
  const missing = await client.missingArtifacts([...blobs.keys()]);
  let bytes = 0;
  for (const hash of missing) {
    const blob = blobs.get(hash);
    if (blob === undefined) continue;
    await client.upload(blob.sha256, blob.sizeBytes, blob.chunks());
    bytes += blob.sizeBytes;
  }
  return { blobs: missing.length, bytes };
}

/** The spec to send: the suite as written, and what its paths resolved to on this machine. */
export function specOf(
  source: SuiteSource,
  prepared: Prepared,
  { priority, tenant = "" }: { priority: number; tenant?: string | undefined },
): CampaignSpec {
  const inputs: ResolvedInput[] = [];
  prepared.datasets.forEach((dataset, i) => {
    if (dataset.items.length === 0) return;
    const field = `datasets[${i}]`;
    const mine = prepared.findings.filter((f) => f.field === field || f.field.startsWith(`${field}.`));
    inputs.push({
      kind: ResolvedInput_Kind.DATASET,
      id: dataset.id,
      sha256: dataset.sha256,
      warnings: mine.filter((f) => f.severity === "warning").map((f) => f.message),
    });
  });
  for (const [id, text] of prepared.promptFiles) {
    inputs.push({ kind: ResolvedInput_Kind.PROMPT, id, sha256: sha256(Buffer.from(text)), warnings: [] });
  }
  return { suite: source.text, inputs, modelMap: { ...source.modelMap }, priority, tenant };
}

/** Prepares, uploads and creates; says each step on stderr. */
export async function submit(
  context: Context,
  client: Client,
  source: SuiteSource,
  options: { priority: number; tenant?: string | undefined; idempotencyKey?: string | undefined },
): Promise<Campaign> {
  // Nobody there is said at once; a coordinator that was there and goes away is waited for.
  const prepared = await prepareOrRefuse(context, source, await availableModels(client));
  const sent = await persist(context, "uploading again", () => uploadMissing(client, prepared));
  if (sent.blobs > 0 && context.flags.verbose)
    say(context, `uploaded ${count(sent.blobs, "blob")}, ${count(sent.bytes, "byte")}`);
  const key = options.idempotencyKey ?? `cli-${context.io.random.id(24)}`;
  const spec = specOf(source, prepared, options);
  // An answer may be lost on its way: the same key again gives the same campaign.
  const campaign = await persist(context, "submitting again under the same key", () =>
    client.createCampaign(spec, key),
  );
  say(
    context,
    `campaign ${campaign.id} submitted: ${count(prepared.jobs, "job")}, ${count(prepared.samples, "sample")}`,
  );
  return campaign;
}

/**
 * The names of samples and answers. Three keys, three questions:
 *
 * 1. `record_id`: is this the same sample of the same campaign? (idempotent ingestion, resume)
 * 2. `pair_key`: did two models see the same thing? (every paired comparison)
 * 3. `cache_key`: would asking again give the same answer? (response cache only)
 *
 * All of them are SHA-256 over canonical JSON, so that key order and source formatting never matter.
 */
import type { Item } from "./item.js";
import { canonicalJson, type Json, type Sha256 } from "./json.js";
import type { EngineKind, GenerationSettings, ModelSpec } from "./plan.js";

/** Hex name of one sample; `ordinal` covers item index and repetition. */
export function recordId(campaign: string, job: string, ordinal: number, sha256: Sha256): string {
  return sha256(canonicalJson({ campaign, job, ordinal }));
}

/**
 * One base key per item index. Equal items get different keys by their occurrence number (0, 1, …), so that a
 * dataset with duplicates still pairs one to one. The content is what a model sees: input, vars and pictures; id,
 * level, cluster, group, truth and target are not part of it.
 */
export function pairKeys(items: readonly Item[], sha256: Sha256): string[] {
  const seen = new Map<string, number>();
  return items.map((item) => {
    const content = sha256(canonicalJson(contentOf(item)));
    const occurrence = seen.get(content) ?? 0;
    seen.set(content, occurrence + 1);
    return sha256(canonicalJson({ content, occurrence }));
  });
}

/** The pair key of one repetition of an item; `base` comes from `pairKeys`. */
export function pairKey(base: string, repetition: number, sha256: Sha256): string {
  return sha256(canonicalJson({ base, repetition }));
}

/** Hex SHA-256 of what is right: truth and target. Pairs with different ones are not comparable. */
export function targetSha(item: Item, sha256: Sha256): string {
  return sha256(canonicalJson({ target: item.target ?? null, truth: item.truth ?? null }));
}

/** Everything that decides an answer. */
export interface CacheKeyParts {
  /** Rendered system message, few-shot turns included. */
  system?: string;
  /** Rendered user message. */
  user: string;
  /** Hex SHA-256 of the bytes of each picture after preprocessing, in order. */
  mediaSha256: readonly string[];
  /** What names its weights where that is sure, else its name. */
  modelDigest: string;
  model: Pick<ModelSpec, "model" | "quant" | "options">;
  engine: EngineKind;
  engineVersion: string;
  /** How its server was started or is reached, as it says itself. */
  engineArgs: readonly string[];
  /** The job's engineOptions. */
  options: { readonly [key: string]: Json };
  /** Class of the device it runs on: others compute slightly other numbers. */
  deviceClass: string;
  /** Effective settings. Their seed is replaced by `seed`; timeouts, retries and pacing decide no answer. */
  generation: GenerationSettings;
  /** Seed of this repetition (the job's seed + repetition), if there is one. */
  seed?: number;
  repetition: number;
  /** Of the simulated engine, whose answers depend on these. */
  simulated?: { ordinal: number; target: string | null };
}

/** Which GPUs of a class, and how many threads, is no part of what is asked. */
const OF_PLACE = /^(devices|threads)=/;

const NOT_DECIDING: ReadonlySet<string> = new Set([
  "seed",
  "timeoutS",
  "maxRetries",
  "retryDelayS",
  "maxConcurrentRequests",
  "requestDelayS",
] satisfies (keyof GenerationSettings)[]);

/** Hex key for the response cache. */
export function cacheKey(parts: CacheKeyParts, sha256: Sha256): string {
  const generation: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(parts.generation)) {
    if (value !== undefined && !NOT_DECIDING.has(key)) generation[key] = value;
  }
  return sha256(
    canonicalJson({
      device: parts.deviceClass,
      engine: {
        args: parts.engineArgs.filter((arg) => !OF_PLACE.test(arg)),
        kind: parts.engine,
        options: { ...parts.options },
        version: parts.engineVersion,
      },
      generation,
      media: [...parts.mediaSha256],
      messages: { system: parts.system ?? null, user: parts.user },
      model: {
        digest: parts.modelDigest,
        name: parts.model.model,
        options: parts.model.options,
        quant: parts.model.quant ?? null,
      },
      repetition: parts.repetition,
      seed: parts.seed ?? null,
      ...(parts.simulated && { simulated: { ...parts.simulated } }),
    }),
  );
}

function contentOf(item: Item): Json {
  return {
    input: item.input ?? null,
    vars: item.vars ?? {},
    media: item.media.map((m) => (m.kind === "image" ? { sha256: m.sha256 } : { missing: m.name })),
  };
}

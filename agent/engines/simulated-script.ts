/** What the simulated engine is told to do, read from a model's `options`, and what it then answers. */
import type { Json } from "../../shared/benchmark/json.js";
import { EngineError, type EngineOptions } from "./engine.js";

export interface Script {
  seed: number;
  /** Share of answers that are right, 0–1. */
  accuracy: number;
  /** Time to the first delta, and between deltas, ms. */
  ttftMs: number;
  tpotMs: number;
  /** Deltas an answer is cut into; absent: as many as it has words. */
  tokens?: number;
  faults: { errorRate: number; timeoutRate: number; oomRate: number; garbageRate: number };
  /** Given answers by turns, instead of made ones. */
  outputs: string[];
}

/** `device` is the scheduler's: it chooses the lane. */
const KEYS = [
  ...["seed", "accuracy", "latency_ms", "ttft_ms", "tpot_ms", "tokens", "faults", "outputs"],
  "device",
];
const FAULTS = ["error_rate", "timeout_rate", "oom_rate", "garbage_rate"];

/**
 * Throws EngineError `bad_option` that names the option. `latency_ms` alone is the time to the first delta when
 * `ttft_ms` is absent; with `ttft_ms` and `tokens` it spreads the rest over the deltas.
 */
export function readScript(options: EngineOptions): Script {
  onlyKeys(options, KEYS, "");
  const faults = options["faults"] ?? {};
  if (typeof faults !== "object" || faults === null || Array.isArray(faults))
    bad("faults", faults, "must be a mapping");
  onlyKeys(faults, FAULTS, "faults.");
  const outputs = options["outputs"] ?? [];
  if (!Array.isArray(outputs) || !outputs.every((o) => typeof o === "string")) {
    bad("outputs", outputs, "must be a list of texts");
  }
  const latencyMs = number(options, "latency_ms", 0, 3_600_000);
  const ttftMs = number(options, "ttft_ms", latencyMs, 3_600_000);
  const tokens =
    options["tokens"] === undefined ? undefined : Math.round(number(options, "tokens", 1, 100_000));
  const restMs = tokens === undefined || tokens < 2 ? 0 : Math.max(0, latencyMs - ttftMs) / (tokens - 1);
  return {
    seed: number(options, "seed", 0, Number.MAX_SAFE_INTEGER),
    accuracy: number(options, "accuracy", 1, 1),
    ttftMs,
    tpotMs: number(options, "tpot_ms", restMs, 3_600_000),
    ...(tokens === undefined ? {} : { tokens }),
    faults: {
      errorRate: number(faults, "error_rate", 0, 1, "faults."),
      timeoutRate: number(faults, "timeout_rate", 0, 1, "faults."),
      oomRate: number(faults, "oom_rate", 0, 1, "faults."),
      garbageRate: number(faults, "garbage_rate", 0, 1, "faults."),
    },
    outputs,
  };
}

/**
 * An answer in the form the prompt asks for: the target when it is right; else, for prompts that want JSON or
 * `Judgment:` lines, something of that shape. `target` is text, or the truth as JSON text.
 */
export function answerFor(
  user: string,
  target: string | undefined,
  right: boolean,
  random: () => number,
): string {
  const truth = asObject(target);
  if (target !== undefined && truth === undefined) return right ? target : wrongText(target, random);
  const smoke = truth?.["has_smoke"] === undefined ? random() < 0.5 : truth["has_smoke"] === true;
  const seen = right ? smoke : !smoke;
  const confidence = Math.round((0.6 + 0.4 * random()) * 100) / 100;
  if (/judgment\s*:/i.test(user)) {
    return `Judgment: ${seen ? "Yes" : "No"}\nConfidence: ${confidence}\nJustification: a simulated answer`;
  }
  const guess = {
    has_smoke: seen,
    smoke_detected: seen ? "Yes" : "No",
    bbox: seen ? [0.5, 0.5, 0.25, 0.25] : null,
    confidence,
    justification: "a simulated answer",
  };
  if (truth === undefined && !/json/i.test(user)) return "a simulated answer";
  return JSON.stringify(right ? { ...guess, ...truth } : { ...guess, ...spoiled(truth ?? {}) });
}

/** Numbers off by one, everything else gone or turned round: the same shape with wrong content. */
function spoiled(truth: { [key: string]: Json }): { [key: string]: Json } {
  const wrong: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(truth)) {
    if (key === "has_smoke" || key === "bbox") continue;
    if (typeof value === "number") wrong[key] = value + 1;
    else if (typeof value === "boolean") wrong[key] = !value;
    else if (Array.isArray(value)) wrong[key] = [];
    else if (value !== null && typeof value === "object") wrong[key] = spoiled(value);
  }
  return wrong;
}

function wrongText(target: string, random: () => number): string {
  const value = Number(target.replaceAll(",", ""));
  if (target.trim() !== "" && Number.isFinite(value)) return String(value + 1 + Math.floor(random() * 9));
  return `not ${target}`;
}

function asObject(text: string | undefined): { [key: string]: Json } | undefined {
  if (!text?.startsWith("{")) return undefined;
  try {
    const value: Json = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function number(
  from: { readonly [key: string]: Json },
  key: string,
  standard: number,
  max: number,
  path = "",
): number {
  const value = from[key] ?? standard;
  if (typeof value !== "number" || !(value >= 0 && value <= max))
    bad(path + key, value, `must be 0 to ${max}`);
  return value;
}

function onlyKeys(options: { readonly [key: string]: Json }, known: string[], path: string): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      bad(path + key, options[key] ?? null, `is not known; known are ${known.join(", ")}`);
  }
}

function bad(name: string, value: Json, why: string): never {
  const message = `simulated option ${name} (${JSON.stringify(value)}) ${why}`;
  throw new EngineError("engine", "bad_option", message);
}

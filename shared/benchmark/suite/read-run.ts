import type { GenerationSettings, TestConfig } from "../plan.js";
import type { Fields } from "./fields.js";
import type { RunSettings } from "./suite-types.js";

const REPETITIONS = { min: 1, max: 1_000, integer: true };
const WARMUP = { min: 0, max: 10_000, integer: true };

/** `run` of sai/v1 and `execution` of SAI suites; where both give the repetitions, `run` wins. */
export function readRun(root: Fields, test: TestConfig, generation: GenerationSettings): RunSettings {
  const execution = root.object("execution");
  const repeated = execution?.number("repetitions", REPETITIONS);
  const warmups = execution?.number("warmup_runs", WARMUP);
  const seed = execution?.number("random_seed", { min: 0, max: 2 ** 31 - 1, integer: true });
  if (seed !== undefined) generation.seed ??= seed;
  execution?.accept("confidence_interval", "confidence_level", "description");
  for (const key of ["parallel", "parallel_execution", "max_workers", "timeout", "order", "shuffle"]) {
    execution?.accept(key);
    if (execution?.has(key))
      execution.findings.warning(
        execution.path(key),
        `${key} is not applied`,
        "test_config says how it runs",
      );
  }
  for (const key of ["confidence_interval", "confidence_level"]) {
    const value = execution?.raw(key);
    if (value !== undefined && value !== 0.95 && value !== 95 && value !== true) {
      execution?.findings.warning(execution.path(key), `${key} is not applied; intervals are 95 % ones`);
    }
  }
  execution?.close();
  const run = root.object("run");
  const settings: RunSettings = {
    repetitions: run?.number("repetitions", REPETITIONS) ?? repeated ?? 1,
    mode: "quality",
    shardSize: run?.number("shard_size", { min: 1, max: 100_000, integer: true }) ?? 16,
    maxAttempts: 3,
    cache: "off",
  };
  const warmup = run?.number("warmup", WARMUP) ?? warmups;
  if (warmup !== undefined) settings.warmup = warmup;
  if (run) readRest(run, settings, test);
  return settings;
}

function readRest(run: Fields, settings: RunSettings, test: TestConfig): void {
  settings.mode = run.oneOf("mode", ["quality", "load", "both"] as const) ?? settings.mode;
  settings.cache = run.oneOf("cache", ["off", "deterministic"] as const) ?? settings.cache;
  if (settings.cache === "deterministic" && settings.mode === "load")
    run.findings.warning(run.path("cache"), "a load is never answered from the cache", "cache: off");
  const retry = run.object("retry");
  settings.maxAttempts = retry?.number("max", { min: 1, max: 100, integer: true }) ?? settings.maxAttempts;
  retry?.accept("backoff");
  if (retry?.has("backoff")) {
    retry.findings.warning(retry.path("backoff"), "backoff is not applied; engine_config.retry_delay is");
  }
  retry?.close();
  const maxFailures = run.number("max_failures", { min: 1, integer: true });
  if (maxFailures !== undefined) test.maxFailures = maxFailures;
  const failureThreshold = run.number("failure_threshold", { min: 0, max: 1 });
  if (failureThreshold !== undefined) test.failureThreshold = failureThreshold;
  run.close();
}

import type { GenerationSettings, TestConfig } from "../plan.js";
import type { Fields } from "./fields.js";

const SHARE = { min: 0, max: 1 };
const SECONDS = { min: 0, max: 86_400, above: true };

/**
 * `test_config`. Keys about requests change `generation`, unless engine_config says the same thing itself:
 * timeout_per_test (or worker_timeout) is the timeout of a try, max_workers the number of requests in flight,
 * retry_failed_tests: false means no retries.
 */
export function readTestConfig(root: Fields, generation: GenerationSettings): TestConfig {
  const config = root.object("test_config");
  if (!config) return { iouThreshold: 0.5, confidenceThreshold: 0.5, includeRawResponses: true };
  const maxImagesPerSequence = config.number("max_images_per_sequence", {
    min: 1,
    max: 10_000,
    integer: true,
  });
  const stopAtFirst = config.boolean("continue_on_error") === false;
  const maxFailures =
    config.number("max_failures", { min: 1, integer: true }) ?? (stopAtFirst ? 1 : undefined);
  const failureThreshold = config.number("failure_threshold", SHARE);
  const test: TestConfig = {
    iouThreshold: config.number("iou_threshold", SHARE) ?? 0.5,
    confidenceThreshold: config.number("confidence_threshold", SHARE) ?? 0.5,
    ...(maxImagesPerSequence !== undefined && { maxImagesPerSequence }),
    includeRawResponses: config.boolean("include_raw_responses") ?? true,
    ...(maxFailures !== undefined && { maxFailures }),
    ...(failureThreshold !== undefined && { failureThreshold }),
  };
  applyToRequests(root, config, generation);
  reportNotApplied(config);
  config.close();
  return test;
}

function applyToRequests(root: Fields, config: Fields, generation: GenerationSettings): void {
  const engineSays = (...keys: string[]) => {
    const engine = root.raw("engine_config");
    return keys.some((key) => typeof engine === "object" && engine !== null && key in engine);
  };
  const perWorker = config.number("worker_timeout", SECONDS);
  const timeoutS = config.number("timeout_per_test", SECONDS) ?? perWorker;
  if (timeoutS !== undefined && !engineSays("timeout", "timeout_seconds")) generation.timeoutS = timeoutS;

  const workers = config.number("max_workers", { min: 1, max: 1_024, integer: true });
  const parallel = config.boolean("parallel_execution") ?? true;
  const inFlight = parallel ? workers : 1;
  if (inFlight !== undefined && !engineSays("max_concurrent_requests"))
    generation.maxConcurrentRequests = inFlight;

  const retry = config.boolean("retry_failed_tests");
  if (retry === false && !engineSays("max_retries")) generation.maxRetries = 0;
}

function reportNotApplied(config: Fields): void {
  for (const key of ["nms_threshold", "fps_sampling"]) {
    const value = config.number(key, { min: 0 });
    if (value !== undefined) config.findings.warning(config.path(key), `${key} is not applied`);
  }
  config.accept("image_preprocessing");
  if (config.has("image_preprocessing")) {
    const hint = "engine_config.max_image_size scales pictures down";
    config.findings.warning(config.path("image_preprocessing"), "image_preprocessing is not applied", hint);
  }
  for (const key of ["save_intermediate_results", "save_failed_cases"]) {
    if (config.boolean(key) === false) {
      config.findings.warning(
        config.path(key),
        `${key}: false is not applied; every sample's record is kept`,
      );
    }
  }
}

/** What a load needs beyond what its own keys say: engines with a server behind them, whole devices, arrivals of a trace. */
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Json } from "../benchmark/json.js";
import { ARRIVAL_COLUMN } from "../benchmark/load/arrivals.js";
import type { ModelSpec } from "../benchmark/plan.js";
import type { Suite, SuiteLoad } from "../benchmark/suite/suite-types.js";
import type { PreparedDataset } from "./prepare-types.js";

/** Engines whose servers have the OpenAI API, which a load generator speaks. */
const ENGINES: readonly string[] = ["openai", "vllm", "sglang"];

export function checkLoad(
  suite: Suite,
  models: readonly ModelSpec[],
  datasets: readonly PreparedDataset[],
  lineOf: LineOf,
): Finding[] {
  const { load } = suite;
  if (load === undefined) return [];
  const findings = new FindingList(lineOf);
  for (const model of models) {
    const field = suite.models.find(({ id }) => id === model.id)?.field ?? "models";
    if (!ENGINES.includes(model.engine))
      findings.error(
        field,
        `${model.id} runs on ${model.engine}, which cannot be put under load`,
        `a load needs a server with the OpenAI API: engine ${ENGINES.join(", ")}`,
      );
    const options = { ...suite.engineOptions, ...model.options };
    if (options["gpu_memory"] !== undefined)
      findings.error(
        field,
        `${model.id} asks for a part of a GPU (gpu_memory)`,
        "a load has its GPUs to itself",
      );
  }
  const { maxConcurrentRequests, requestDelayS } = suite.generation;
  if (maxConcurrentRequests !== undefined || requestDelayS !== undefined)
    findings.warning("engine_config", "max_concurrent_requests and request_delay are not applied to a load");
  if (load.kind === "trace") for (const dataset of datasets) checkTrace(suite, load, dataset, findings);
  return findings.all;
}

function checkTrace(
  suite: Suite,
  load: SuiteLoad,
  { id, items, places }: PreparedDataset,
  findings: FindingList,
): void {
  if (items.length === 0) return;
  const field = suite.datasets.find((spec) => spec.id === id)?.field ?? "datasets";
  const times = items.map(({ vars }) => secondsOf(vars?.[ARRIVAL_COLUMN]));
  const wrong = times.findIndex((s, i) => !(s >= (i === 0 ? 0 : (times[i - 1] ?? 0))));
  const item = items[wrong];
  if (item) {
    const its = item.vars?.[ARRIVAL_COLUMN];
    const before = times[wrong - 1];
    const why = Number.isNaN(times[wrong])
      ? "no number of seconds"
      : before === undefined
        ? "before the beginning"
        : `before the ${before} of the item in front of it`;
    findings.error(
      field,
      `${places?.get(item.id) ?? `item ${item.id} of dataset ${id}`}: ${ARRIVAL_COLUMN} ${its === undefined ? "is missing" : `is ${JSON.stringify(its)}, ${why}`}`,
      `a trace has a column ${ARRIVAL_COLUMN}: seconds from the beginning, ascending`,
    );
  }
  for (const value of item ? [] : load.values) {
    const due = times.filter((s) => (s * 1000) / value < load.durationMs).length;
    const more = items.length - due;
    if (due === 0) findings.error("load.duration_s", `no request of ${id} is due within it`, "raise it");
    else if (more > 0)
      findings.warning(
        "load.duration_s",
        `${more} of ${items.length} requests of ${id} are due after it, at ${value} times the speed, and are not sent`,
      );
  }
}

/** NaN for what is none; an empty cell of a table is none. */
const secondsOf = (value: Json | undefined): number =>
  typeof value === "number" || (typeof value === "string" && value.trim() !== "")
    ? Number(value)
    : Number.NaN;

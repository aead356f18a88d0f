/**
 * Every exported metric: name, meaning, labels, buckets. The unprefixed names are those of the deployment guide's alert
 * rules and dashboards (so quantiles are summaries there: a histogram has no series of the bare name); the `sai_` ones
 * are in base units and, where several coordinators or nodes are added up, histograms.
 */
import { Counter, Gauge, Histogram, type Registry, Summary } from "prom-client";

const JOB = ["engine", "model", "job_kind"] as const;
const FAST_S = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const SLOW_S = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
/** Quantiles look back ten minutes. */
const QUANTILES = {
  percentiles: [0.5, 0.9, 0.95, 0.99],
  maxAgeSeconds: 600,
  ageBuckets: 5,
  pruneAgedBuckets: true,
};

/** Registers all of them; `collectFailureRate` fills its gauge when somebody scrapes. */
export function defineMetrics(
  registry: Registry,
  collectFailureRate: (gauge: Gauge<(typeof JOB)[number]>) => void,
) {
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: number[],
  ) => new Histogram({ name, help, labelNames, buckets, registers });
  const quantiles = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Summary({ name, help, labelNames, ...QUANTILES, registers });
  return {
    gpuMemory: gauge("gpu_memory_used_percent", "Share of a GPU's memory in use", ["node", "gpu"]),
    gpuUtilization: gauge("gpu_utilization_percent", "Share of time a GPU was busy", ["node", "gpu"]),
    gpuMemoryBytes: gauge("sai_gpu_memory_used_bytes", "A GPU's memory in use", ["node", "gpu"]),
    gpuPower: gauge("sai_gpu_power_watts", "Power a GPU draws", ["node", "gpu"]),
    gpuTemperature: gauge("sai_gpu_temperature_celsius", "Temperature of a GPU", ["node", "gpu"]),
    gpuClock: gauge("sai_gpu_sm_clock_hertz", "Clock of a GPU's processors", ["node", "gpu"]),
    lastModelLoad: gauge("model_loading_duration_seconds", "How long the last load of a model took", [
      "node",
      "engine",
      "model",
    ]),
    modelsLoaded: gauge("models_loaded_count", "Models loaded on a node now", ["node"]),
    failureRate: new Gauge({
      name: "benchmark_failure_rate",
      help: "Share of samples of the last five minutes that failed (engine error, timeout, out of memory, poison)",
      labelNames: JOB,
      registers,
      collect() {
        collectFailureRate(this);
      },
    }),
    httpQuantiles: quantiles("http_request_duration_seconds", "Time to answer an HTTP request", [
      "method",
      "route",
      "status",
    ]),
    inferenceQuantiles: quantiles(
      "benchmark_inference_duration_seconds",
      "End-to-end time of an answered sample",
      JOB,
    ),
    success: counter(
      "benchmark_success_total",
      "Samples that were answered (parse errors and refusals are answers)",
      JOB,
    ),
    total: counter("benchmark_total", "Samples that were run", JOB),
    samples: counter("sai_samples_total", "Samples with a committed record", [...JOB, "status"]),
    inference: histogram(
      "sai_inference_duration_seconds",
      "End-to-end time of an answered sample",
      JOB,
      SLOW_S,
    ),
    modelLoad: histogram(
      "sai_model_load_duration_seconds",
      "Time to load a model",
      ["engine", "model"],
      SLOW_S,
    ),
    scheduleCycle: histogram(
      "sai_schedule_cycle_duration_seconds",
      "Snapshot, plan and apply of one cycle",
      [],
      FAST_S,
    ),
    storeTxn: histogram(
      "sai_store_txn_duration_seconds",
      "One transaction of the state store",
      ["outcome"],
      FAST_S,
    ),
    rpcs: histogram(
      "sai_rpc_duration_seconds",
      "Time to answer a call of sai.v1",
      ["method", "status"],
      FAST_S,
    ),
    sessionMessages: counter("sai_session_messages_total", "Messages of agent sessions", [
      "direction",
      "kind",
    ]),
    droppedResults: counter("sai_results_dropped_total", "Results for shards already done or closed", [
      "reason",
    ]),
    spoolBytes: gauge("sai_spool_bytes", "Results on an agent's disk that are not acknowledged", ["node"]),
    spoolResults: gauge("sai_spool_results", "Shard results that are not acknowledged", ["node"]),
    nodes: gauge("sai_nodes", "Nodes by state", ["state"]),
    quarantined: gauge(
      "sai_nodes_quarantined",
      "Nodes that take no new work because too much failed on them",
      [],
    ),
    duplicates: counter(
      "sai_duplicates_total",
      "Second attempts of shards that took far longer than others",
      [],
    ),
    quarantines: counter("sai_quarantines_total", "Times a node was quarantined", []),
    campaigns: gauge("sai_campaigns", "Campaigns by state", ["state"]),
    shards: gauge("sai_shards", "Shards of open campaigns by state", ["state"]),
    indexBehind: gauge(
      "sai_results_index_behind_campaigns",
      "Ended campaigns that are not in the results index; no sample while an embedded one is closed",
      [],
    ),
    indexAway: gauge("sai_results_index_away", "1 while the results index cannot be reached or written", []),
    indexed: counter("sai_results_index_records_total", "Records that came into the results index", []),
  };
}

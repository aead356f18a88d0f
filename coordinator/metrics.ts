/**
 * What a coordinator tells Prometheus about itself and its fleet: one method per thing that happens. GPU metrics are
 * registered but carry no sample until a GPU reports one: no GPU is not 0 %. Labels are node, gpu, model, engine and
 * job kind, never a sample. Each coordinator has its own registry, so that two in one process do not mix.
 */
import { type Gauge, Registry } from "prom-client";
import { isFailure, type Status } from "../shared/benchmark/record.js";
import type { Clock } from "../shared/runtime/clock.js";
import { FailureWindow } from "./failure-window.js";
import { defineMetrics } from "./metric-definitions.js";
import { watchProcess } from "./process-metrics.js";

/** What a job's numbers are labelled with; `jobKind` is `quality` or `load`. */
export interface JobLabels {
  engine: string;
  model: string;
  jobKind: string;
}

/** What one GPU does; a figure that is absent was not told. */
export interface GpuFigures {
  gpu: string;
  memoryBytes: number;
  memoryUsedBytes?: number | undefined;
  utilizationPercent?: number | undefined;
  powerW?: number | undefined;
  temperatureC?: number | undefined;
  smClockMhz?: number | undefined;
}

/** What the leader measures of its work; a simulation hands in one that measures nothing. */
export type Meter = Omit<Pick<Metrics, keyof Metrics>, "registry" | "close" | "observeHttp" | "observeRpc">;

/** One series of a node. */
interface Shown {
  value: number;
  remove(): void;
}

/** Models whose loads are told apart. */
const MAX_LOAD_NAMES = 500;

export class Metrics {
  readonly registry = new Registry();
  private readonly window: FailureWindow;
  private readonly is = defineMetrics(this.registry, (gauge) => {
    gauge.reset();
    for (const { labels, rate } of this.window.rates()) gauge.set(promLabels(labels), rate);
  });
  private readonly stopWatching = watchProcess(this.registry);
  /** By node, each of its series. */
  private readonly ofNode = new Map<string, Map<object, Map<string, Shown>>>();

  private readonly loads = new Set<string>();

  constructor(parts: { clock: Clock }) {
    this.window = new FailureWindow(parts.clock);
  }

  /** Committed records of one job, counted by status. Cancelled samples were not run: no success, no failure. */
  onRecords(labels: JobLabels, byStatus: { readonly [status in Status]?: number }): void {
    const job = promLabels(labels);
    for (const [status, n] of Object.entries(byStatus) as [Status, number][]) {
      this.is.samples.inc({ ...job, status }, n);
      if (status === "cancelled") continue;
      const failed = isFailure(status) ? n : 0;
      this.is.total.inc(job, n);
      this.is.success.inc(job, n - failed);
      this.window.add(labels, n, failed);
    }
  }

  /** End-to-end time of one answered sample. */
  observeInference(labels: JobLabels, seconds: number): void {
    this.is.inferenceQuantiles.observe(promLabels(labels), seconds);
    this.is.inference.observe(promLabels(labels), seconds);
  }

  observeModelLoad(labels: { node: string; engine: string; model: string }, seconds: number): void {
    const { engine, model } = this.loadLabels(labels);
    this.set(this.is.lastModelLoad, { node: labels.node, engine, model }, seconds);
    this.is.modelLoad.observe({ engine, model }, seconds);
  }

  setLoadedModels(node: string, count: number): void {
    this.set(this.is.modelsLoaded, { node }, count);
  }

  /** All GPUs of a node whose figures are fresh; what is left out, or was not told, has no sample. */
  setGpus(node: string, gpus: readonly GpuFigures[]): void {
    const { gpuMemory, gpuUtilization, gpuMemoryBytes, gpuPower, gpuTemperature, gpuClock } = this.is;
    const told = new Map<Gauge<"node" | "gpu">, Map<string, number>>();
    for (const figures of gpus) {
      const { gpu, memoryUsedBytes, memoryBytes } = figures;
      const tell = (gauge: Gauge<"node" | "gpu">, value: number | undefined) => {
        if (value !== undefined) told.set(gauge, (told.get(gauge) ?? new Map()).set(gpu, value));
      };
      const share =
        memoryBytes > 0 && memoryUsedBytes !== undefined ? memoryUsedBytes / memoryBytes : undefined;
      tell(gpuMemory, share && 100 * share);
      tell(gpuUtilization, figures.utilizationPercent);
      tell(gpuMemoryBytes, memoryUsedBytes);
      tell(gpuPower, figures.powerW);
      tell(gpuTemperature, figures.temperatureC);
      tell(gpuClock, figures.smClockMhz === undefined ? undefined : figures.smClockMhz * 1e6);
    }
    for (const gauge of [gpuMemory, gpuUtilization, gpuMemoryBytes, gpuPower, gpuTemperature, gpuClock]) {
      const values = told.get(gauge) ?? new Map<string, number>();
      for (const [gpu, value] of values) this.set(gauge, { node, gpu }, value);
      this.keepOnly(gauge, node, new Set([...values.keys()].map((gpu) => JSON.stringify({ node, gpu }))));
    }
  }

  /** Results an agent has not delivered yet. */
  setSpool(node: string, figures: { bytes: number; results: number }): void {
    this.set(this.is.spoolBytes, { node }, figures.bytes);
    this.set(this.is.spoolResults, { node }, figures.results);
  }

  /** All nodes by state; states that are left out have none. */
  setNodes(byState: { readonly [state: string]: number }): void {
    setStates(this.is.nodes, byState);
  }

  /** All campaigns by state; states that are left out have none. */
  setCampaigns(byState: { readonly [state: string]: number }): void {
    setStates(this.is.campaigns, byState);
  }

  /** Shards of open campaigns by state; states that are left out have none. */
  setShards(byState: { readonly [state: string]: number }): void {
    setStates(this.is.shards, byState);
  }

  /** `behind`: ended campaigns that are not in the results index; undefined where nobody knows. */
  setIndex({ behind, isAway }: { behind: number | undefined; isAway: boolean }): void {
    if (behind === undefined) this.is.indexBehind.remove();
    else this.is.indexBehind.set(behind);
    this.is.indexAway.set(isAway ? 1 : 0);
  }

  countIndexed(records: number): void {
    this.is.indexed.inc(records);
  }

  setQuarantined(nodes: number): void {
    this.is.quarantined.set(nodes);
  }

  countQuarantines(): void {
    this.is.quarantines.inc();
  }

  countDuplicates(): void {
    this.is.duplicates.inc();
  }

  observeScheduleCycle(seconds: number): void {
    this.is.scheduleCycle.observe(seconds);
  }

  /** `outcome` such as committed, conflict, deposed, unknown. */
  observeStoreTxn(outcome: string, seconds: number): void {
    this.is.storeTxn.observe({ outcome }, seconds);
  }

  /** `kind` is the message's name, such as heartbeat or assign. */
  countSessionMessages(direction: "in" | "out", kind: string, n = 1): void {
    this.is.sessionMessages.inc({ direction, kind }, n);
  }

  countDroppedResults(reason: "superseded" | "closed", n = 1): void {
    this.is.droppedResults.inc({ reason }, n);
  }

  /** `route` is the pattern, never the path asked for. */
  observeHttp(labels: { method: string; route: string; status: number }, seconds: number): void {
    this.is.httpQuantiles.observe({ ...labels, status: String(labels.status) }, seconds);
  }

  /** `status` is the gRPC status' name, such as OK or NOT_FOUND. */
  observeRpc(labels: { method: string; status: string }, seconds: number): void {
    this.is.rpcs.observe(labels, seconds);
  }

  /** Removes what a node reported, so that it does not seem to go on after it left. */
  forgetNode(node: string): void {
    for (const series of this.ofNode.get(node)?.values() ?? [])
      for (const { remove } of series.values()) remove();
    this.ofNode.delete(node);
  }

  /** Stops what measures the process and empties the registry. */
  close(): void {
    this.stopWatching();
    this.registry.clear();
  }

  /** Agents name what they load: of names beyond so many none becomes a series of its own. */
  private loadLabels({ engine, model }: { engine: string; model: string }): {
    engine: string;
    model: string;
  } {
    const name = `${engine}:${model}`;
    if (this.loads.size < MAX_LOAD_NAMES) this.loads.add(name);
    return this.loads.has(name) ? { engine, model } : { engine: "other", model: "other" };
  }

  private keepOnly(gauge: object, node: string, names: ReadonlySet<string>): void {
    const series = this.ofNode.get(node)?.get(gauge);
    for (const [name, { remove }] of series ?? []) {
      if (names.has(name)) continue;
      remove();
      series?.delete(name);
    }
  }

  private set<L extends string>(
    gauge: Gauge<L>,
    labels: Record<L, string> & { node: string },
    value: number,
  ): void {
    const series = this.ofNode.get(labels.node) ?? new Map<object, Map<string, Shown>>();
    const ofGauge = series.get(gauge) ?? new Map<string, Shown>();
    this.ofNode.set(labels.node, series.set(gauge, ofGauge));
    const name = JSON.stringify(labels);
    // Most heartbeats say what the one before said.
    if (ofGauge.get(name)?.value === value) return;
    gauge.set(labels, value);
    ofGauge.set(name, { value, remove: () => gauge.remove(labels) });
  }
}

const promLabels = (labels: JobLabels) => ({
  engine: labels.engine,
  model: labels.model,
  job_kind: labels.jobKind,
});

function setStates(gauge: Gauge<"state">, byState: { readonly [state: string]: number }): void {
  gauge.reset();
  for (const [state, count] of Object.entries(byState)) gauge.set({ state }, count);
}

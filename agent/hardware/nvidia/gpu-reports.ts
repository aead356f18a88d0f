/**
 * What an agent tells of its NVIDIA GPUs, looked at again and again beside its work.
 *
 * 1. Nobody waits for nvidia-smi: what is told is what was seen last, with its age. The start waits `FIRST_MS` at most.
 * 2. What is not known is said to be so, with the reason: before the first look has ended, and while looks fail.
 * 3. A fault is told as it began. Its words may change with each look; the inventory does not change with them.
 * 4. Whatever goes wrong in telling or looking is logged, and between two rounds there is always a pause.
 * 5. After `close` nothing runs and nothing is told.
 * 6. While a GPU is leased samples come from a stream; then a round asks who else is on the GPUs.
 */
import type { Clock } from "../../../shared/runtime/clock.js";
import type { Logger } from "../../../shared/runtime/logger.js";
import { GpuTelemetry, type GpuTelemetryParts } from "../telemetry/gpu-telemetry.js";
import { fault, type ProbeFault } from "./faults.js";
import { GpuWatch } from "./gpu-watch.js";
import type { Gpu } from "./gpus.js";
import { NvidiaSmi } from "./nvidia-smi.js";
import { SampleStream } from "./sample-stream.js";
import { describe, type GpuDescription, type GpuStates, statesOf } from "./told-gpus.js";

/** A part of the inventory. */
export interface GpuFacts {
  gpus: GpuDescription[];
  gpuLook: "seen" | "none" | "failed" | "pending" | "off";
  gpuFault: ProbeFault | undefined;
}

export interface GpuReportsParts {
  /** Path or name of nvidia-smi; empty: nobody looks. */
  path: string;
  /** True where the operator named it: then its absence is a fault. */
  expected: boolean;
  /** From the end of a look at what there is, or at what it does, to the next one, ms. */
  lookMs: number;
  sampleMs: number;
  /** Hears of every good look. */
  seen?(gpus: readonly Gpu[]): void;
  /** From one reading to the next while a GPU is leased, ms. */
  leasedSampleMs: number;
  /** True for a process that this agent has started. */
  ours: GpuTelemetryParts["ours"];
  watchLag: GpuTelemetryParts["watchLag"];
  held: GpuTelemetryParts["held"];
  /** Of this process: nvidia-smi is started with it. */
  env: NodeJS.ProcessEnv;
  clock: Clock;
  log: Logger;
}

/** For the questions of a look and a sample that take their time, ms. */
const SLOW_MS = 30_000;
/** How long samples are streamed after the last lease, ms. */
const LINGER_MS = 30_000;
/** Longest wait of the start for the first look, ms. */
const FIRST_MS = 2_000;

export class GpuReports {
  private readonly smi: NvidiaSmi;
  private readonly watch: GpuWatch;
  private readonly stream: SampleStream;
  /** For those who measure on these GPUs. */
  readonly telemetry: GpuTelemetry;
  private readonly ending = new AbortController();
  private first: Promise<void> | undefined;
  private looking: Promise<void> | undefined;
  private nextLookMs = Number.NEGATIVE_INFINITY;
  /** Monotonic ms at which a look was last called for before its time. */
  private hurriedMs = Number.NEGATIVE_INFINITY;
  private cancelStop = () => {};
  private trouble: { fault: ProbeFault; sinceMs: number } | undefined;
  /** By UUID. */
  private readonly capabilities = new Map<string, string>();

  constructor(private readonly parts: GpuReportsParts) {
    const { path, expected, env, clock } = parts;
    this.smi = new NvidiaSmi(path, clock, env);
    const onFault = (now: ProbeFault | undefined) => this.troubled(now);
    this.watch = new GpuWatch({ smi: this.smi, clock, expected, onFault });
    this.stream = new SampleStream({
      ...{ path, env, clock, log: parts.log, intervalMs: parts.leasedSampleMs },
      fields: () => this.watch.fieldsAsked(),
      told: (sample) => {
        this.watch.took(sample);
        this.telemetry.took(sample);
      },
    });
    this.telemetry = new GpuTelemetry({
      ...{ clock, ours: parts.ours, watchLag: parts.watchLag, held: parts.held },
      gpus: () => this.watch.now().gpus ?? [],
      wanted: (is) => this.streaming(is),
    });
  }

  /** For the inventory. */
  facts(): GpuFacts {
    const { gpus } = this.watch.now();
    if (this.parts.path === "") return { gpus: [], gpuLook: "off", gpuFault: undefined };
    const described = (gpus ?? []).map((gpu) => describe(gpu, this.capabilities.get(gpu.uuid)));
    if (this.trouble) return { gpus: described, gpuLook: "failed", gpuFault: this.trouble.fault };
    if (gpus === undefined) return { gpus: [], gpuLook: "pending", gpuFault: PENDING };
    return { gpus: described, gpuLook: gpus.length === 0 ? "none" : "seen", gpuFault: undefined };
  }

  /** For a heartbeat; undefined where there is nothing to tell. */
  states(): GpuStates | undefined {
    const { clock, sampleMs } = this.parts;
    const staleAfterMs = 3 * sampleMs + SLOW_MS;
    return statesOf(this.watch.now(), { faultSinceMs: this.trouble?.sinceMs, staleAfterMs }, clock.nowMs());
  }

  /** GPUs as they are now, or were `maxAgeMs` ago at most; undefined when they cannot be seen. */
  async look(maxAgeMs = 0): Promise<readonly Gpu[] | undefined> {
    const { gpus, seenMs, fault: failed } = this.watch.now();
    const nowMs = this.parts.clock.nowMs();
    if (!failed && seenMs !== undefined && maxAgeMs > 0 && nowMs - seenMs <= maxAgeMs) return gpus;
    // Those who ask together share one.
    this.looking ??= this.watch.look().finally(() => {
      this.looking = undefined;
    });
    await this.looking;
    const now = this.watch.now();
    if (now.fault || now.seenMs === undefined || now.seenMs < nowMs) return undefined;
    this.telemetry.looked();
    return now.gpus;
  }

  /** Begins the first look and waits for it as long as a start may (invariant 1). */
  async begin(): Promise<void> {
    if (this.parts.path === "") return;
    this.first = this.logged(() => this.round());
    const waited = new AbortController();
    const late = this.parts.clock.sleep(FIRST_MS, waited.signal).catch(() => {});
    await Promise.race([this.first, late]);
    waited.abort();
  }

  /** Goes on looking, after `begin`, until `close`; `changed` hears of the facts and of other ones. Never rejects. */
  async goOn(changed: () => void): Promise<void> {
    const { clock, sampleMs, lookMs } = this.parts;
    const { signal } = this.ending;
    if (this.first === undefined) return;
    let told = "";
    await this.first;
    while (!signal.aborted) {
      await this.logged(() => {
        const now = JSON.stringify(this.facts());
        const before = told;
        told = now;
        if (now !== before) changed();
      });
      await clock.sleep(this.seesNone() ? lookMs : sampleMs, signal).catch(() => {});
      if (!signal.aborted) await this.logged(() => this.round());
    }
  }

  close(): void {
    this.ending.abort();
    this.smi.close();
    this.streaming(false);
  }

  /** It goes on for a while: the next attempt may come, and to begin takes its time. */
  private streaming(is: boolean): void {
    this.cancelStop();
    this.cancelStop = () => {};
    if (this.ending.signal.aborted) void this.stream.stop();
    else if (is) this.stream.start();
    else this.cancelStop = this.parts.clock.after(LINGER_MS, () => void this.stream.stop());
  }

  private seesNone(): boolean {
    return (this.watch.now().gpus ?? []).length === 0;
  }

  /** Never rejects (invariant 4). */
  private async logged(step: () => Promise<void> | void): Promise<void> {
    try {
      await step();
    } catch (err) {
      if (!this.ending.signal.aborted) this.parts.log.error({ err }, "looking at the GPUs failed");
    }
  }

  private async round(): Promise<void> {
    const { clock, lookMs } = this.parts;
    // Where there is none, a round has nothing else to do, and comes when it is time.
    if (this.seesNone() || clock.nowMs() >= this.nextLookMs) {
      const gpus = await this.look();
      if (gpus && !this.ending.signal.aborted) this.parts.seen?.(gpus);
      this.nextLookMs = clock.nowMs() + lookMs;
    }
    if (this.stream.fresh) this.telemetry.users((await this.watch.users()) ?? []);
    else for (const sample of await this.watch.sample()) this.telemetry.took(sample);
    const { gpus = [], samples, missed } = this.watch.now();
    for (const { uuid, computeCapability } of samples)
      if (computeCapability !== undefined) this.capabilities.set(uuid, computeCapability);
    const sampled = new Set(samples.map(({ uuid }) => uuid));
    const lacks = missed > 0 || gpus.some(({ uuid }) => !sampled.has(uuid));
    // What is wrong is told by a look, which need not wait for its time; it may find nothing, and is not repeated for that.
    if (lacks && !this.trouble && clock.nowMs() - this.hurriedMs >= lookMs)
      this.hurriedMs = this.nextLookMs = clock.nowMs();
  }

  private troubled(now: ProbeFault | undefined): void {
    const { log, clock } = this.parts;
    if (this.ending.signal.aborted) return;
    const sinceMs = this.trouble?.sinceMs ?? clock.nowMs();
    this.trouble = now && { fault: now, sinceMs };
    if (now === undefined) log.info("the GPUs can be seen again");
    else {
      const { kind, message: reason, hint } = now;
      log.warn(
        { kind, reason, hint },
        "the GPUs cannot be seen, or not what they do; what is known of them stays",
      );
    }
  }
}

const PENDING = fault("pending", "nvidia-smi has not answered yet");

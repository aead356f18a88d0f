/**
 * What is known of this machine's GPUs, kept fresh: what there is (every minute), what they do (every few seconds).
 *
 * 1. A failed look never takes a GPU away: the last good answer stays, with its age and why it is not newer.
 * 2. Not to know is not to have none: until the first good answer `gpus` is undefined. Only a machine without any
 *    nvidia-smi has none.
 * 3. Looks never run beside one another; a look that is late costs only its own deadline.
 */
import type { Clock } from "../../../shared/runtime/clock.js";
import { fault, type ProbeFault } from "./faults.js";
import { GarbledAnswer, type Gpu, readGpus } from "./gpus.js";
import type { Answer } from "./nvidia-smi.js";
import { type GpuSample, readSamples, sampleFields } from "./samples.js";

export interface GpuView {
  /** As of the last good answer; undefined before the first (invariant 2). */
  gpus: readonly Gpu[] | undefined;
  /** Monotonic ms of that answer. */
  seenMs: number | undefined;
  samples: readonly GpuSample[];
  sampledMs: number | undefined;
  /** Why the last look at what there is had no answer; undefined when it had one. */
  fault: ProbeFault | undefined;
}

export interface WatchParts {
  smi: { ask(...args: string[]): Promise<Answer> };
  clock: Clock;
  /** True where the operator named the program: then its absence is a fault, and not a machine without GPUs. */
  expected: boolean;
  /** A fault begins, changes or ends (undefined), once each. */
  onFault(now: ProbeFault | undefined): void;
}

export class GpuWatch {
  private view: GpuView = {
    ...{ gpus: undefined, seenMs: undefined, samples: [], sampledMs: undefined, fault: undefined },
  };
  private fields: string[] | undefined;

  constructor(private readonly parts: WatchParts) {}

  now(): GpuView {
    return this.view;
  }

  /** Looks at what there is. Never throws. */
  async look(): Promise<void> {
    const { smi, clock } = this.parts;
    const [query, list] = [await smi.ask("-q"), await smi.ask("-L")];
    const read = readable(query, list, readGpus);
    if (read.ok) {
      this.view = { ...this.view, gpus: read.value, seenMs: clock.nowMs() };
      this.troubled(undefined);
      return;
    }
    if (read.fault.kind === "missing" && !this.parts.expected && (this.view.gpus ?? []).length === 0) {
      this.view = { ...this.view, gpus: [], seenMs: clock.nowMs() };
      this.troubled(undefined);
      return;
    }
    this.troubled(read.fault);
  }

  /** Looks at what they do; does nothing where there are none. Never throws. */
  async sample(): Promise<void> {
    if ((this.view.gpus ?? []).length === 0) return;
    const { smi, clock } = this.parts;
    const fields = await this.sampleFields();
    if (fields === undefined) return;
    const answer = await smi.ask(`--query-gpu=${fields.join(",")}`, "--format=csv,nounits");
    const read = readable(answer, answer, readSamples);
    // What is old is told by its age; the next look at what there is says what is wrong.
    if (read.ok) this.view = { ...this.view, samples: read.value, sampledMs: clock.nowMs() };
  }

  /** Asked once: drivers do not change under a running agent without a fault first. */
  private async sampleFields(): Promise<string[] | undefined> {
    if (this.fields) return this.fields;
    const help = await this.parts.smi.ask("--help-query-gpu");
    const read = readable(help, help, sampleFields);
    if (read.ok) this.fields = read.value;
    return this.fields;
  }

  private troubled(now: ProbeFault | undefined): void {
    const before = this.view.fault;
    if (now !== undefined) this.fields = undefined;
    this.view = { ...this.view, fault: now };
    if (before?.kind !== now?.kind) this.parts.onFault(now);
  }
}

type Read<T> = { ok: true; value: T } | { ok: false; fault: ProbeFault };

function readable<T>(a: Answer, b: Answer, read: (a: string, b: string) => T): Read<T> {
  if (!a.ok) return a;
  if (!b.ok) return b;
  try {
    return { ok: true, value: read(a.text, b.text) };
  } catch (error) {
    if (!(error instanceof GarbledAnswer)) throw error;
    return { ok: false, fault: fault("garbled", error.message) };
  }
}

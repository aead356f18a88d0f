/**
 * What is known of this machine's GPUs, kept fresh: what there is (every minute), what they do (every few seconds).
 *
 * 1. A failed look never takes a GPU away: the last good answer stays, with its age and why it is not newer.
 * 2. Not to know is not to have none: until the first good answer `gpus` is undefined. Only a machine without any
 *    nvidia-smi has none.
 * 3. A sample that fails once may be chance; failing twice in a row it is a fault, though looks are good.
 * 4. Looks never run beside one another; a look that is late costs only its own deadline.
 */
import type { Clock } from "../../../shared/runtime/clock.js";
import { fault, type ProbeFault } from "./faults.js";
import { GarbledAnswer, type Gpu, readGpus } from "./gpus.js";
import type { Answer } from "./nvidia-smi.js";
import { type GpuSample, type GpuUser, readSamples, readUsers, sampleFields } from "./samples.js";

export interface GpuView {
  /** As of the last good answer; undefined before the first (invariant 2). */
  gpus: readonly Gpu[] | undefined;
  /** Monotonic ms of that answer. */
  seenMs: number | undefined;
  samples: readonly GpuSample[];
  sampledMs: number | undefined;
  /** Samples in a row that had no answer, and why the last of them had none; it stays until one has. */
  missed: number;
  sampleFault: ProbeFault | undefined;
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

/** How long one GPU's sample stays while others' go on coming, ms. */
const SILENT_MS = 10_000;

export class GpuWatch {
  private view: GpuView = {
    ...{ gpus: undefined, seenMs: undefined, samples: [], sampledMs: undefined, fault: undefined },
    ...{ missed: 0, sampleFault: undefined },
  };
  private fields: string[] | undefined;
  /** When the last sample of each GPU came, monotonic ms. */
  private readonly cameMs = new Map<string, number>();
  /** The fault that was told last. */
  private told: ProbeFault | undefined;

  constructor(private readonly parts: WatchParts) {}

  now(): GpuView {
    return this.view;
  }

  /** Looks at what there is. Never throws. */
  async look(): Promise<void> {
    const { smi, clock } = this.parts;
    const [query, list] = [await smi.ask("-q"), await smi.ask("-L")];
    const read = readable(query, list, readGpus);
    const none = !read.ok && read.fault.kind === "missing" && !this.parts.expected;
    if (read.ok || (none && (this.view.gpus ?? []).length === 0)) {
      // What samples missed while looks failed, too, says nothing of the time since.
      const gpus = read.ok ? read.value : [];
      const afresh = this.view.fault || gpus.length === 0 ? { missed: 0, sampleFault: undefined } : {};
      this.view = { ...this.view, ...afresh, gpus, seenMs: clock.nowMs(), fault: undefined };
    } else {
      this.fields = undefined;
      this.view = { ...this.view, fault: read.fault };
    }
    this.tell();
  }

  /** Looks at what they do; does nothing where there are none. Answers with what it saw. Never throws. */
  async sample(): Promise<readonly GpuSample[]> {
    if ((this.view.gpus ?? []).length === 0) return [];
    const read = await this.readSamples();
    if (read.ok) {
      const sampledMs = this.parts.clock.nowMs();
      for (const { uuid } of read.value) this.cameMs.set(uuid, sampledMs);
      this.view = { ...this.view, samples: read.value, sampledMs, missed: 0, sampleFault: undefined };
    } else {
      // Another driver may know other fields.
      this.fields = undefined;
      this.view = { ...this.view, missed: this.view.missed + 1, sampleFault: read.fault };
    }
    this.tell();
    return read.ok ? read.value : [];
  }

  /** Takes in what one GPU does, seen by somebody else. A GPU of which nothing comes while others' come does not stay as it was. */
  took(sample: GpuSample): void {
    const nowMs = this.parts.clock.nowMs();
    this.cameMs.set(sample.uuid, nowMs);
    const others = this.view.samples.filter(
      ({ uuid }) => uuid !== sample.uuid && nowMs - (this.cameMs.get(uuid) ?? nowMs) <= SILENT_MS,
    );
    const fresh = { sampledMs: nowMs, missed: 0, sampleFault: undefined };
    this.view = { ...this.view, ...fresh, samples: [...others, sample] };
    this.tell();
  }

  /** Who computes on them, by GPU; undefined when there is no answer. Never throws. */
  async users(): Promise<GpuUser[] | undefined> {
    const answer = await this.parts.smi.ask("--query-compute-apps=gpu_uuid,pid", "--format=csv,noheader");
    return answer.ok ? readUsers(answer.text) : undefined;
  }

  /** The fields that samples are asked for, as this driver knows them; undefined when it does not say. Never throws. */
  async fieldsAsked(): Promise<readonly string[] | undefined> {
    return (await this.known()).ok ? this.fields : undefined;
  }

  private async readSamples(): Promise<Read<GpuSample[]>> {
    const known = await this.known();
    if (!known.ok) return known;
    const answer = await this.parts.smi.ask(`--query-gpu=${known.value.join(",")}`, "--format=csv,nounits");
    return readable(answer, answer, readSamples);
  }

  private async known(): Promise<Read<string[]>> {
    if (this.fields !== undefined) return { ok: true, value: this.fields };
    const help = await this.parts.smi.ask("--help-query-gpu");
    const read = readable(help, help, sampleFields);
    if (read.ok) this.fields = read.value;
    return read;
  }

  private tell(): void {
    const { fault, missed, sampleFault } = this.view;
    const now = fault ?? (missed > 1 ? sampleFault : undefined); // invariant 3
    const before = this.told;
    this.told = now;
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

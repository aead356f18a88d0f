/**
 * What one GPU did from one moment to another, added up reading by reading: a window may last for hours and costs the same
 * memory. Pure; times are ms of one monotonic clock.
 *
 * 1. Power between two readings is a straight line; before the first and after the last it is held for at most `GAP_MS`.
 *    Where more than that lies between two, nothing is said of the energy.
 *    A reading of so long before the window says nothing of it: what its counters have counted since may be older than it.
 * 2. Clocks count while the GPU works: one that idles lowers them by itself.
 */
import type { GpuSample, Slowdown } from "../nvidia/samples.js";

export interface Reading {
  atMs: number;
  sample: GpuSample;
}

/** Energy, and why there is none. */
export type Energy =
  | { kind: "known"; joules: number }
  | { kind: "unknown"; why: "no_power" | "few_readings" };

/** Longest time between two readings that a straight line may bridge, ms. */
export const GAP_MS = 10_000;
/** Fewer readings of power inside a window say nothing of its energy: the driver averages power over up to a second. */
export const LEAST_READINGS = 3;

export class GpuReadings {
  readings = 0;
  peakW: number | undefined;
  peakC: number | undefined;
  peakBytes: number | undefined;
  /** How often each clock was seen while it worked, by MHz. */
  readonly smMhz = new Map<number, number>();
  readonly memoryMhz = new Map<number, number>();
  private busySum = 0;
  private busyCount = 0;
  private joules = 0;
  /** Power is known up to here. */
  private atMs: number;
  private watts: number | undefined;
  /** Readings with power. */
  private powered = 0;
  private readonly before: Reading | undefined;
  private gaps = false;
  private readonly slowed = new Set<Slowdown>();
  private first: GpuSample | undefined;
  private last: GpuSample | undefined;

  /** `before`: the last reading before the window, if there is one. */
  constructor(
    private readonly startMs: number,
    before: Reading | undefined,
  ) {
    this.atMs = startMs;
    this.before = before && startMs - before.atMs <= GAP_MS ? before : undefined;
    this.first = this.last = this.before?.sample;
  }

  add({ atMs, sample }: Reading): void {
    if (atMs < this.atMs) return;
    this.readings += 1;
    this.first ??= sample;
    this.last = sample;
    this.integrate(atMs, sample.powerW);
    this.peakW = higher(this.peakW, sample.powerW);
    this.peakC = higher(this.peakC, sample.temperatureC);
    this.peakBytes = higher(this.peakBytes, sample.usedBytes);
    for (const reason of sample.slowedBy) this.slowed.add(reason);
    if (sample.utilisation !== undefined) {
      this.busySum += sample.utilisation;
      this.busyCount += 1;
    }
    if (sample.utilisation === 0) return; // invariant 2
    tally(this.smMhz, sample.clockMhz.sm);
    tally(this.memoryMhz, sample.clockMhz.memory);
  }

  /** Up to `endMs`, which is not before the last reading. */
  energy(endMs: number): Energy {
    if (this.watts === undefined) {
      return { kind: "unknown", why: this.readings > 0 ? "no_power" : "few_readings" };
    }
    if (this.gaps || this.powered < LEAST_READINGS || endMs - this.atMs > GAP_MS)
      return { kind: "unknown", why: "few_readings" };
    return { kind: "known", joules: this.joules + (this.watts * (endMs - this.atMs)) / 1000 };
  }

  /** Mean utilisation, 0 to 100. */
  get utilisation(): number | undefined {
    return this.busyCount === 0 ? undefined : this.busySum / this.busyCount;
  }

  /** Ms of slowing by reason, as the driver counts them; 0 where it was only seen, or was not there long enough to count. */
  slowedMs(): Map<Slowdown, number> {
    const ms = new Map<Slowdown, number>([...this.slowed].map((reason) => [reason, 0]));
    for (const [reason, until] of Object.entries(this.last?.slowedUs ?? {}) as [Slowdown, number][]) {
      const us = until - (this.first?.slowedUs[reason] ?? until);
      if (us > 0) ms.set(reason, us / 1000);
    }
    return ms;
  }

  /** Uncorrectable memory errors that came in the window. */
  get eccErrors(): number {
    return Math.max(0, (this.last?.eccErrors ?? 0) - (this.first?.eccErrors ?? this.last?.eccErrors ?? 0));
  }

  private integrate(atMs: number, watts: number | undefined): void {
    if (watts === undefined) return;
    this.powered += 1;
    const from = this.watts ?? this.wattsAtStart(atMs, watts);
    if (atMs - this.atMs > GAP_MS) this.gaps = true;
    else this.joules += ((from + watts) / 2) * ((atMs - this.atMs) / 1000);
    this.atMs = atMs;
    this.watts = watts;
  }

  /** On the line from the reading before; without one the first reading is held (invariant 1). */
  private wattsAtStart(atMs: number, watts: number): number {
    const earlier = this.before;
    if (earlier?.sample.powerW === undefined || atMs - earlier.atMs > GAP_MS || earlier.atMs >= atMs)
      return watts;
    const share = (this.startMs - earlier.atMs) / (atMs - earlier.atMs);
    return earlier.sample.powerW + (watts - earlier.sample.powerW) * share;
  }
}

const higher = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);

function tally(counts: Map<number, number>, mhz: number | undefined): void {
  if (mhz !== undefined) counts.set(mhz, (counts.get(mhz) ?? 0) + 1);
}

/**
 * Telemetry of this node's GPUs for those who measure on them: while any is leased readings come every second, and each
 * window adds up what its own GPUs do. Readings come from elsewhere; nothing here is waited for.
 *
 * 1. While a place is leased, and only then, the stream is wanted.
 * 2. A GPU's idle power is the mean of what it drew in the last minute in which nobody held it and no process was on it, without
 *    the first seconds, in which it still draws more; it is known for an hour, since machines warm up and cool down. Who is on it only looks tell: where one finds a stranger, what
 *    was drawn since the look before is taken back.
 * 3. A window of part of a GPU, or beside another lease of the same GPU, says no energy.
 */
import type { GpuWindow } from "../../../shared/benchmark/record.js";
import type { Clock } from "../../../shared/runtime/clock.js";
import type { Gpu } from "../nvidia/gpus.js";
import type { GpuSample, GpuUser } from "../nvidia/samples.js";
import { GpuReadings, type Reading } from "./readings.js";
import { windowOf } from "./window.js";

export interface GpuTelemetryParts {
  /** What there is, as of the last good look. */
  gpus(): readonly Gpu[];
  /** True for a process that this agent has started. */
  ours(pid: number): boolean;
  /** GPUs and slices that are held, by UUID, whether or not anybody measures there. */
  held(): readonly string[];
  /** Readings every second are wanted, or are not any more. */
  wanted(is: boolean): void;
  /** Watches how late the event loop is until `stop`. */
  watchLag(): { p99Ms(): number; maxMs(): number; stop(): void };
  clock: Clock;
}

/** GPUs, or one MIG slice, by UUID; with `memoryBytes` a part of one. */
export interface LeasedPlace {
  gpus: readonly string[];
  memoryBytes?: number | undefined;
}

export interface GpuLease {
  /** Of the GPUs. */
  driver: string | undefined;
  /** Begins to measure, with the lateness of the event loop if told so. */
  measure(withLag?: boolean): Measuring;
  /** Nobody measures here any more. */
  end(): void;
}

export interface Measuring {
  /** What was measured since; asked once. */
  end(): GpuWindow;
}

interface Lease {
  /** Whole GPUs, those of slices included. */
  gpus: readonly string[];
  slice: string | undefined;
  shared: boolean;
  /** Processes of others were on it when somebody last saw who is. */
  foreign: boolean;
  windows: Set<Open>;
}

interface Open {
  readings: Map<string, GpuReadings>;
  shared: boolean;
  foreign: boolean;
  lag: ReturnType<GpuTelemetryParts["watchLag"]> | undefined;
}

const IDLE_WINDOW_MS = 60_000;
/** From the end of work on, until clocks and power have come down. */
const SETTLE_MS = 10_000;
const IDLE_KNOWN_MS = 3_600_000;

export class GpuTelemetry {
  private readonly leases = new Set<Lease>();
  /** The last reading of each GPU. */
  private readonly last = new Map<string, Reading>();
  private readonly idle = new Map<string, { atMs: number; watts: number }[]>();
  /** When each was last seen held or in use, ms. */
  private readonly busyMs = new Map<string, number>();
  /** When a look last found no process on each, ms. */
  private readonly emptyMs = new Map<string, number>();

  constructor(private readonly parts: GpuTelemetryParts) {}

  /** Takes in a reading. */
  took(sample: GpuSample): void {
    const atMs = this.parts.clock.nowMs();
    const reading = { atMs, sample };
    this.last.set(sample.uuid, reading);
    for (const { windows } of this.leases)
      for (const open of windows) open.readings.get(sample.uuid)?.add(reading);
    this.idled(reading);
  }

  /** Takes in who computes on the GPUs, from a question about nothing else. */
  users(users: readonly GpuUser[]): void {
    for (const lease of this.leases) {
      // Such a list does not say on which slice; the next look will.
      if (lease.slice !== undefined) continue;
      this.noteForeign(
        lease,
        users.filter(({ uuid }) => lease.gpus.includes(uuid)).map(({ pid }) => pid),
      );
    }
  }

  /** A good look has ended: what there is, and who is on it. */
  looked(): void {
    for (const gpu of this.parts.gpus()) this.confirmIdle(gpu);
    for (const lease of this.leases) {
      const on = this.parts.gpus().filter(({ uuid }) => lease.gpus.includes(uuid));
      const instances = on.flatMap(({ mig = [] }) =>
        mig.filter(({ uuid }) => uuid === lease.slice).map(({ gpuInstance }) => gpuInstance),
      );
      const processes = on.flatMap((gpu) => gpu.processes);
      const here = processes.filter(
        ({ gpuInstance }) =>
          lease.slice === undefined || (gpuInstance !== undefined && instances.includes(gpuInstance)),
      );
      this.noteForeign(
        lease,
        here.map(({ pid }) => pid),
      );
    }
  }

  /** Undefined for a place without GPUs, or with such as are not known here. */
  lease(place: LeasedPlace): GpuLease | undefined {
    const wholes = place.gpus.map((uuid) => this.wholeOf(uuid));
    const gpus = [...new Set(wholes.flatMap((found) => found?.gpu ?? []))];
    if (gpus.length === 0 || wholes.includes(undefined)) return undefined;
    const slice = wholes.find((found) => found?.isSlice) && place.gpus[0];
    const shared = slice !== undefined || place.memoryBytes !== undefined;
    const lease: Lease = { gpus, slice, shared, foreign: false, windows: new Set() };
    for (const other of this.leases) {
      if (!other.gpus.some((uuid) => gpus.includes(uuid))) continue;
      lease.shared = other.shared = true; // invariant 3
      for (const open of other.windows) open.shared = true;
    }
    this.leases.add(lease);
    if (this.leases.size === 1) this.parts.wanted(true);
    return {
      driver: this.parts.gpus().find(({ uuid }) => gpus.includes(uuid))?.driver,
      measure: (withLag = true) => this.measure(lease, withLag),
      end: () => {
        for (const open of lease.windows) open.lag?.stop();
        if (this.leases.delete(lease) && this.leases.size === 0) this.parts.wanted(false);
      },
    };
  }

  private measure(lease: Lease, withLag: boolean): Measuring {
    const { clock } = this.parts;
    const startMs = clock.nowMs();
    const readings = new Map(
      lease.gpus.map((uuid) => [uuid, new GpuReadings(startMs, this.last.get(uuid))] as const),
    );
    const lag = withLag ? this.parts.watchLag() : undefined;
    const open: Open = { readings, shared: lease.shared, foreign: lease.foreign, lag };
    lease.windows.add(open);
    return {
      end: () => {
        lease.windows.delete(open);
        const lagMs = lag && { p99: lag.p99Ms(), max: lag.maxMs() };
        lag?.stop();
        const gpus = [...readings].map(([uuid, own]) => ({ uuid, readings: own, idleW: this.idleW(uuid) }));
        const { shared, foreign } = open;
        return windowOf({ gpus, startMs, endMs: clock.nowMs(), shared, foreign, lagMs });
      },
    };
  }

  private wholeOf(uuid: string): { gpu: string; isSlice: boolean } | undefined {
    for (const gpu of this.parts.gpus()) {
      if (gpu.uuid === uuid) return { gpu: uuid, isSlice: false };
      if (gpu.mig?.some((slice) => slice.uuid === uuid)) return { gpu: gpu.uuid, isSlice: true };
    }
    return undefined;
  }

  /** Other attempts of this agent are no strangers: what has parts of a GPU is shared, which is said already. */
  private noteForeign(lease: Lease, pids: readonly number[]): void {
    lease.foreign = pids.some((pid) => !this.parts.ours(pid));
    if (lease.foreign) for (const open of lease.windows) open.foreign = true;
  }

  /** Invariant 2. */
  private idled({ atMs, sample: { uuid, powerW } }: Reading): void {
    const gpu = this.parts.gpus().find((each) => each.uuid === uuid);
    if (gpu === undefined) return;
    const held = this.parts.held();
    const leased = [...this.leases].some(({ gpus }) => gpus.includes(uuid));
    const isHeld = leased || held.includes(uuid) || gpu.mig?.some((slice) => held.includes(slice.uuid));
    if (isHeld || gpu.processes.length > 0) this.busyMs.set(uuid, atMs);
    const quietMs = atMs - (this.busyMs.get(uuid) ?? Number.NEGATIVE_INFINITY);
    if (powerW === undefined || quietMs < SETTLE_MS) return;
    const kept = (this.idle.get(uuid) ?? []).filter((each) => atMs - each.atMs < IDLE_WINDOW_MS);
    this.idle.set(uuid, [...kept, { atMs, watts: powerW }]);
  }

  /** Invariant 2. */
  private confirmIdle({ uuid, processes }: Gpu): void {
    if (processes.length === 0) this.emptyMs.set(uuid, this.parts.clock.nowMs());
    else if (processes.some(({ pid }) => !this.parts.ours(pid))) {
      const untilMs = this.emptyMs.get(uuid) ?? Number.NEGATIVE_INFINITY;
      this.idle.set(
        uuid,
        (this.idle.get(uuid) ?? []).filter(({ atMs }) => atMs <= untilMs),
      );
    }
  }

  private idleW(uuid: string): number | undefined {
    const seen = this.idle.get(uuid) ?? [];
    const newestMs = seen.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
    if (this.parts.clock.nowMs() - newestMs > IDLE_KNOWN_MS) return undefined;
    return seen.reduce((sum, { watts }) => sum + watts, 0) / seen.length;
  }
}

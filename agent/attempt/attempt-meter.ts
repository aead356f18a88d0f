/**
 * What is measured beside the samples of one attempt, and the records that carry it.
 *
 * 1. The window begins after the warm-up and ends with the last sample, whose record carries it: records are written one by
 *    one, and what an earlier start of this agent wrote is not in it. An attempt that is cut short leaves none.
 * 2. A sample has energy of its own only where it was alone on the GPUs for at least `LEAST_MS`: readings come every second,
 *    and the driver averages over about as much.
 * 3. The load that an attempt waited for is on its first record, and in no time of any sample.
 */
import type { GpuWindow, ResultRecord } from "../../shared/benchmark/record.js";
import type { EnginePlace } from "../engines/engine.js";

/** Measures what GPUs do. */
export interface GpuMeters {
  /** Readings come often until its end; undefined for a place without GPUs. */
  lease(place: EnginePlace): GpuMeterLease | undefined;
}

export interface GpuMeterLease {
  driver: string | undefined;
  /** With how late the event loop was, if told so. */
  measure(withLag?: boolean): { end(): GpuWindow };
  end(): void;
}

const LEAST_MS = 10_000;

export class AttemptMeter {
  private window: { end(): GpuWindow } | undefined;
  private samples = 0;
  private tokensOut: number | undefined;
  private left = 0;
  private loadNs = 0;

  constructor(private readonly lease: GpuMeterLease | undefined) {}

  /** So many samples come now, one after the other; `loadNs`: of the model, 0 if nobody waited for it. */
  begin(samples: number, loadNs: number): void {
    this.left = samples;
    this.loadNs = loadNs;
    this.window = this.lease?.measure();
  }

  /** One sample begins; the answer takes its record when it has ended. */
  sample(): (record: ResultRecord) => ResultRecord {
    const own = this.lease?.measure(false);
    return (record) => {
      const { ms = 0, energy_j: value, energy_source: source = "integrated" } = own?.end() ?? {};
      return ms < LEAST_MS || value === undefined ? record : { ...record, energy_j: { value, source } };
    };
  }

  /** A measured sample's record, with what it carries of the attempt. */
  took(record: ResultRecord): ResultRecord {
    this.samples += 1;
    this.left -= 1;
    if (record.tokens.out !== undefined) this.tokensOut = (this.tokensOut ?? 0) + record.tokens.out;
    const load = this.loadNs > 0 ? { load_ns: this.loadNs } : {};
    this.loadNs = 0;
    const measured = this.left === 0 ? this.window?.end() : undefined;
    const tokens = this.tokensOut === undefined ? {} : { tokens_out: this.tokensOut };
    const window = measured && { gpu_window: { ...measured, samples: this.samples, ...tokens } };
    const { driver } = this.lease ?? {};
    const node = driver === undefined ? record.node : { ...record.node, driver };
    return { ...record, node, ...load, ...window };
  }

  /** The records of a measured window, which is one sample for the attempt. */
  tookWindow(records: readonly ResultRecord[]): ResultRecord[] {
    const [first] = records;
    if (first === undefined) return [];
    const rest = records.slice(1);
    this.samples += rest.length;
    for (const { tokens } of rest)
      if (tokens.out !== undefined) this.tokensOut = (this.tokensOut ?? 0) + tokens.out;
    const head = this.took(first);
    return [head, ...rest.map((record) => ({ ...record, node: head.node }))];
  }

  /** However the attempt ended. */
  close(): void {
    this.lease?.end();
  }
}

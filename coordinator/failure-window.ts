/** Share of failed samples over the last five minutes, in one-minute buckets on the monotonic clock. */
import type { Clock } from "../shared/runtime/clock.js";
import type { JobLabels } from "./metrics.js";

const BUCKET_MS = 60_000;
const BUCKETS = 5;

interface Bucket {
  minute: number;
  run: number;
  failed: number;
}

export class FailureWindow {
  private readonly jobs = new Map<string, { labels: JobLabels; buckets: Bucket[] }>();

  constructor(private readonly clock: Clock) {}

  /** `run` samples ended just now, `failed` of them without an answer. */
  add(labels: JobLabels, run: number, failed: number): void {
    const key = JSON.stringify([labels.engine, labels.model, labels.jobKind]);
    const job = this.jobs.get(key) ?? { labels, buckets: [] };
    this.jobs.set(key, job);
    const minute = this.minute();
    const last = job.buckets.at(-1);
    if (last?.minute === minute) {
      last.run += run;
      last.failed += failed;
    } else {
      job.buckets.push({ minute, run, failed });
    }
  }

  /** One entry per job that ran samples within the window; jobs older than that are forgotten. */
  rates(): { labels: JobLabels; rate: number }[] {
    const oldest = this.minute() - BUCKETS + 1;
    const rates: { labels: JobLabels; rate: number }[] = [];
    for (const [key, job] of this.jobs) {
      job.buckets = job.buckets.filter((bucket) => bucket.minute >= oldest);
      const run = job.buckets.reduce((sum, bucket) => sum + bucket.run, 0);
      const failed = job.buckets.reduce((sum, bucket) => sum + bucket.failed, 0);
      if (run > 0) rates.push({ labels: job.labels, rate: failed / run });
      else this.jobs.delete(key);
    }
    return rates;
  }

  private minute(): number {
    return Math.floor(this.clock.nowMs() / BUCKET_MS);
  }
}

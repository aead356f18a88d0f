/**
 * How the last shards ended on each node, with sums over all of them: what one more ending costs does not depend on how
 * many nodes there are.
 *
 * 1. The sums are those of all windows; both change here alone, together.
 * 2. Failures are found by the samples that were in flight, through buckets of neighbouring samples: what is in flight at
 *    once is of one shard, so a failure lies in one bucket or two, however many samples it names.
 */
import { type Ending, jobOf, type Tally } from "./quarantine-state.js";

const BUCKET = 256;

export class Endings<Node> {
  private readonly windows = new Map<Node, readonly Ending[]>();
  private readonly jobs = new Map<string, Tally>();
  /** Failures with samples in flight, and where they were. */
  private readonly deaths = new Map<string, Map<Ending, Node>>();

  /** The last endings of a node, oldest first. */
  of(node: Node): readonly Ending[] {
    return this.windows.get(node) ?? [];
  }

  /** Adds an ending and drops what is before the last `window`; what the node has then. */
  add(node: Node, one: Ending, window: number): readonly Ending[] {
    const before = this.of(node);
    const from = Math.max(0, before.length + 1 - window);
    for (const old of before.slice(0, from)) this.count(node, old, -1);
    this.count(node, one, 1);
    const own = [...before.slice(from), one];
    this.windows.set(node, own);
    return own;
  }

  /** Takes all endings of a node out. */
  take(node: Node): readonly Ending[] {
    const own = this.of(node);
    for (const one of own) this.count(node, one, -1);
    this.windows.delete(node);
    return own;
  }

  /** How shards of these jobs ended on all nodes but this one. */
  elsewhere(node: Node, jobs: ReadonlySet<string>): Tally {
    const sum = { done: 0, failed: 0 };
    for (const job of jobs) {
      const { done, failed } = this.jobs.get(job) ?? NONE;
      sum.done += done;
      sum.failed += failed;
    }
    for (const one of this.of(node)) if (jobs.has(jobOf(one))) sum[kindOf(one)] -= 1;
    return sum;
  }

  /** Drops the failures that a sample was in flight at; the nodes where they were. */
  exonerate({ campaign, job, sample }: { campaign: string; job: string; sample: number }): Set<Node> {
    const nodes = new Set<Node>();
    for (const [one, node] of [...(this.deaths.get(bucketOf({ campaign, job }, sample)) ?? [])]) {
      if (!one.failed?.samples.includes(sample)) continue;
      this.count(node, one, -1);
      const own = this.of(node).filter((other) => other !== one);
      if (own.length > 0) this.windows.set(node, own);
      else this.windows.delete(node);
      nodes.add(node);
    }
    return nodes;
  }

  private count(node: Node, one: Ending, by: 1 | -1): void {
    const job = jobOf(one);
    const tally = { ...(this.jobs.get(job) ?? NONE) };
    tally[kindOf(one)] += by;
    if (tally.done + tally.failed > 0) this.jobs.set(job, tally);
    else this.jobs.delete(job);
    for (const bucket of new Set(one.failed?.samples.map((sample) => bucketOf(one, sample)))) {
      const deaths = this.deaths.get(bucket) ?? new Map<Ending, Node>();
      if (by > 0) this.deaths.set(bucket, deaths.set(one, node));
      else if (deaths.delete(one) && deaths.size === 0) this.deaths.delete(bucket);
    }
  }
}

const NONE: Tally = { done: 0, failed: 0 };

const kindOf = ({ failed }: Ending): keyof Tally => (failed === undefined ? "done" : "failed");

const bucketOf = (of: Pick<Ending, "campaign" | "job">, sample: number): string =>
  `${jobOf(of)}/${Math.floor(sample / BUCKET)}`;

/** What a summary says of jobs that put a server under load, beside what it says of every job. */
import type { JobSpec } from "../plan.js";
import type { Cell, LoadResult } from "../summary.js";
import type { LoadRequest } from "./load-request.js";
import { levelText } from "./load-spec.js";
import { measureLoad } from "./measure-load.js";

interface LoadInput {
  job: JobSpec;
  samples: readonly { request?: LoadRequest }[];
}

/** The cell with the figures of its load; of other jobs the cell as it is. */
export function withLoad(cell: Cell, { job, samples }: LoadInput): Cell {
  if (job.load === undefined) return cell;
  const requests = samples.flatMap(({ request }) => request ?? []);
  const load = measureLoad(job.load, requests, cell.ttftMs ?? cell.e2eMs);
  const { counts } = cell;
  // In the plan stand windows, in the records requests.
  return { ...cell, load, counts: load && counts && { ...counts, planned: load.requests, notRun: 0 } };
}

/** Late by waiting for a slot is another matter than late by itself. */
function lateText({ lagMs, loopLagMs, flags }: LoadResult): string {
  const ms = (value: number | undefined) => `${(value ?? 0).toPrecision(3)} ms`;
  const late = `requests left ${ms(lagMs?.p99)} after they were due and the client's event loop was ${ms(loopLagMs)} late (99th percentiles), more than 5 % of the median time to the first token`;
  return flags.includes("max_inflight") ? late : `${late}: the client may be the bottleneck`;
}

export function loadWarnings({ job, samples }: LoadInput, { load, counts }: Cell): string[] {
  if (job.load === undefined) return [];
  const where = `${job.model.id} × ${job.prompt.id} × ${job.dataset.id}, ${levelText(job.load)}`;
  if (load === undefined) return samples.length > 0 || counts ? [`${where}: not run`] : [];
  const says: { [flag: string]: string } = {
    censored: `${load.failed + load.unfinished} of ${load.requests} requests have no end (${load.unfinished} unfinished); the percentiles are censored`,
    sched_lag: lateText(load),
    max_inflight: `requests waited at max_inflight ${job.load.maxInflight}`,
  };
  const { windows } = load;
  return [
    ...(windows < job.samples ? [`${where}: ${windows} of ${job.samples} windows ran`] : []),
    ...load.flags.map((flag) => `${where}: ${says[flag] ?? flag}`),
  ];
}

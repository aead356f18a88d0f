/** What the index is told and answers; plain data, because it lives in a thread of its own. */
import type { MetricValue } from "../../shared/benchmark/summary.js";

/** A campaign that has ended, as the index shows it. */
export interface CampaignFacts {
  id: string;
  name: string;
  tenant: string;
  /** Its state's kind, such as SUCCEEDED. */
  state: string;
  retryOf: string | undefined;
  /** Wall ms since 1970. */
  createdMs: number;
  endedMs: number;
  suiteSha256: string;
}

/** A job as planned. */
export interface CellFacts {
  campaign: string;
  job: string;
  manifestSha256: string;
  model: string;
  engine: string;
  prompt: string;
  promptSha256: string;
  dataset: string;
  datasetSha256: string;
  /** Generation settings as canonical JSON. */
  settings: string;
  repetitions: number;
  planned: number;
}

/** The records file of a shard, and which samples are its own. */
export interface ShardLines {
  /** Of the shard in its job. */
  index: number;
  lines: Uint8Array;
  /** Ordinals of its samples: `count` from `first` on, or these. */
  samples: { first: number; count: number } | number[];
}

/** Shards that follow on one another in a job's manifest. */
export interface Batch {
  cell: CellFacts;
  /** How many of the manifest's shards come before them. */
  from: number;
  shards: ShardLines[];
}

/** What a campaign's summary says of a job. */
export interface CellSummary {
  job: string;
  engineVersion: string;
  modelDigest: string;
  simulated: boolean;
  answered: number;
  failed: number;
  e2eP50Ms: number | undefined;
  e2eP95Ms: number | undefined;
  ttftP50Ms: number | undefined;
  ttftP95Ms: number | undefined;
  tpotP50Ms: number | undefined;
  metrics: (Pick<MetricValue, "id" | "value" | "reason" | "unit" | "n" | "higherIsBetter"> & {
    lo: number | undefined;
    hi: number | undefined;
    method: string | undefined;
    rank: number | undefined;
  })[];
}

export interface Generations {
  /** The one that answers. */
  current: number;
  /** The one that is being built, if any. */
  building: number | undefined;
}

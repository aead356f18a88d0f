/**
 * The summary: what tables, reports and exports show, computed from records alone. Field by field it has the shape of
 * the `Summary` message in proto/sai/v1/result.proto, where each field is explained, so that no conversion stands
 * between the two.
 */
export interface Summary {
  campaignId: string;
  name: string;
  description: string;
  state: string;
  createdAt: string;
  endedAt: string;
  suiteSha256: string;
  planSha256: string;
  simulated: boolean;
  cells: Cell[];
  comparisons: Comparison[];
  warnings: string[];
  nodes: NodeShare[];
  /** Only with `compat: sai-legacy`. */
  legacy?: Legacy | undefined;
  saturations: Saturation[];
  recommendations: Recommendation[];
}

export interface Legacy {
  warning: string;
  tests: number;
  successful: number;
  meanLatencyMs: number;
  metrics: LegacyMetric[];
}
export interface LegacyMetric {
  id: string;
  /** Absent means n/a, and `reason` says why. */
  value?: number | undefined;
  std?: number | undefined;
  n: number;
  reason: string;
}

export interface Cell {
  job: string;
  model: string;
  prompt: string;
  dataset: string;
  engine: string;
  engineVersion: string;
  modelDigest: string;
  simulated: boolean;
  counts: Counts | undefined;
  metrics: MetricValue[];
  levels: Level[];
  ttftMs: Distribution | undefined;
  tpotMs: Distribution | undefined;
  e2eMs: Distribution | undefined;
  failures: Failure[];
  ranks: Rank[];
  notApplied: string[];
  flags: { [flag: string]: number };
  gpu: GpuUse | undefined;
  loadMs: Distribution | undefined;
  load: LoadResult | undefined;
  cached: number;
  costAvoidedUsd?: number | undefined;
}

export interface LoadResult {
  kind: string;
  value: number;
  windows: number;
  windowS: number;
  requests: number;
  answered: number;
  failed: number;
  unfinished: number;
  offeredPerS?: number | undefined;
  requestsPerS?: number | undefined;
  tokensPerS?: number | undefined;
  lagMs: Distribution | undefined;
  responseMs: Distribution | undefined;
  goodputPerS?: number | undefined;
  goodputShare?: number | undefined;
  goodputReason: string;
  keepsUp?: boolean | undefined;
  peakInflight: number;
  loopLagMs: number;
  flags: string[];
}

export interface GpuUse {
  gpus: number;
  windows: number;
  windowsWithEnergy: number;
  noEnergy: { [reason: string]: number };
  energyJ?: number | undefined;
  energySource: string;
  samples: number;
  energyPerSampleJ?: number | undefined;
  aboveIdlePerSampleJ?: number | undefined;
  tokensPerJ?: number | undefined;
  meanPowerW?: number | undefined;
  peakPowerW?: number | undefined;
  smClockMhz?: number | undefined;
  leastSmClockMhz?: number | undefined;
  temperatureC?: number | undefined;
  memoryBytes?: number | undefined;
  utilizationPercent?: number | undefined;
  flags: { [flag: string]: number };
}

export interface Counts {
  planned: number;
  ok: number;
  parseError: number;
  refused: number;
  engineError: number;
  timeout: number;
  oom: number;
  poison: number;
  cancelled: number;
  notRun: number;
}

export interface MetricValue {
  id: string;
  /** Absent means n/a, and `reason` says why. */
  value?: number | undefined;
  reason: string;
  unit: string;
  n: number;
  interval: Interval | undefined;
  answeredOnly: AnsweredOnly | undefined;
  target: Target | undefined;
  confusion: Confusion | undefined;
  higherIsBetter: boolean;
}

export interface Interval {
  lo: number;
  hi: number;
  method: string;
}
export interface AnsweredOnly {
  value?: number | undefined;
  n: number;
}
export interface Target {
  expression: string;
  met?: boolean | undefined;
}
export interface Confusion {
  tp: number;
  fp: number;
  fn: number;
  tn: number;
}
export interface Level {
  level: string;
  n: number;
  metrics: MetricValue[];
}
export interface Distribution {
  n: number;
  mean: number;
  min: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  max: number;
  flags: string[];
  percentiles: number[];
}
export interface Failure {
  status: string;
  class: string;
  example: string;
  count: number;
}
export interface Rank {
  metric: string;
  rank: number;
}
export interface Comparison {
  metric: string;
  prompt: string;
  dataset: string;
  level: string;
  a: string;
  b: string;
  n: number;
  difference: number;
  aOnly: number;
  bOnly: number;
  p: number;
  pHolm: number;
  method: string;
  verdict: string;
  interval?: Interval | undefined;
}
export interface Recommendation {
  metric: string;
  prompt: string;
  dataset: string;
  best: string;
  model: string;
  margin: number;
  undecided: string[];
  text: string;
  costs: CostOfModel[];
}
export interface CostOfModel {
  model: string;
  usdPer1000?: number | undefined;
  usdPerCorrect?: number | undefined;
}
export interface NodeShare {
  node: string;
  samples: number;
  e2eP50Ms: number;
}
export interface Saturation {
  model: string;
  prompt: string;
  dataset: string;
  kind: string;
  value?: number | undefined;
  requestsPerS?: number | undefined;
  text: string;
}

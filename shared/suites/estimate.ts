/**
 * What a run may take and cost, before anything runs. Time is a guess from what is typical of a kind of engine, and says
 * so; cost is a bound, not a guess: every answer as long as it may be, at the suite's price or the provider's list price.
 */
import { amount, type Budget } from "../benchmark/budget.js";
import type { Item } from "../benchmark/item.js";
import type { JobSpec, Plan } from "../benchmark/plan.js";
import { costUsd, listPrice, type TokenPrice } from "../benchmark/prices.js";
import { renderMessages } from "../benchmark/template.js";
import { evenlySpaced } from "../datasets/pick.js";
import type { PreparedDataset } from "./prepare-types.js";

export interface CellEstimate {
  prompt: string;
  model: string;
  dataset: string;
  samples: number;
  shards: number;
  /** Seconds on one node. */
  seconds: number;
  /** Absent: the price is not known, or how many requests a load will send. */
  mostUsd?: number;
}

export interface Estimate {
  cells: CellEstimate[];
  shards: number;
  /** Seconds over the nodes there are (one, when there is none). */
  seconds: number;
  nodes: number;
  /** The most that the priced cells can cost. */
  mostUsd: number;
  /** Models whose price is not known. */
  unpriced: string[];
}

/** Items whose messages are looked at for their length. */
const LOOKED_AT = 20;
const BYTES_PER_TOKEN = 4;
const TOKENS_PER_PICTURE = 1_000;
/** Where a suite sets no max_tokens: what answers usually have, and the most that is reckoned with. */
const USUAL_TOKENS = 256;
const MOST_TOKENS = 4_096;

/** What a budget would be short of, in words; none where it is enough or nobody can tell. */
export function overBudget({ mostUsd, seconds }: Estimate, { usd, wallS }: Budget): string[] {
  const over: string[] = [];
  if (usd !== undefined && mostUsd > usd) {
    over.push(`it may cost ${amount("usd", mostUsd)} at most, the budget is ${amount("usd", usd)}`);
  }
  if (wallS !== undefined && seconds > wallS) {
    over.push(`it may take about ${Math.round(seconds)} s, the budget is ${wallS} s`);
  }
  return over;
}

export function estimateRun(plan: Plan, datasets: readonly PreparedDataset[], nodes: number): Estimate {
  const cells = plan.jobs.map((job) => estimateCell(job, datasets));
  const sum = (of: (cell: CellEstimate) => number) => cells.reduce((total, cell) => total + of(cell), 0);
  const unpriced = cells.filter(({ mostUsd }) => mostUsd === undefined).map(({ model }) => model);
  return {
    cells,
    shards: sum(({ shards }) => shards),
    seconds: sum(({ seconds }) => seconds) / Math.max(1, nodes),
    nodes,
    mostUsd: sum(({ mostUsd = 0 }) => mostUsd),
    unpriced: [...new Set(unpriced)],
  };
}

function estimateCell(job: JobSpec, datasets: readonly PreparedDataset[]): CellEstimate {
  const { prompt, model, dataset, samples, shardSize, generation } = job;
  const items = datasets.find(({ id }) => id === dataset.id)?.items ?? [];
  if (job.load) {
    const seconds = (samples * job.load.durationMs) / 1_000;
    return { prompt: prompt.id, model: model.id, dataset: dataset.id, samples, shards: 1, seconds };
  }
  const perSample = secondsOf(job);
  const inFlight = generation.maxConcurrentRequests ?? 1;
  const price = priceOf(job);
  const tokensIn = tokensOf(job, items);
  const one =
    price && costUsd(price, { in: tokensIn, out: generation.max_tokens ?? MOST_TOKENS, source: "none" });
  return {
    ...{ prompt: prompt.id, model: model.id, dataset: dataset.id, samples },
    shards: Math.ceil(samples / shardSize),
    seconds: (samples * perSample) / inFlight,
    ...(one !== undefined && { mostUsd: one * samples }),
  };
}

/** Engines on the user's own machines cost nothing by the token. */
function priceOf({ model }: JobSpec): TokenPrice | undefined {
  if (model.price) return model.price;
  const { engine } = model;
  if (engine === "openai" || engine === "anthropic") return listPrice(engine, model.model)?.price;
  return { in_1m: 0, out_1m: 0 };
}

/** The mean over some of the items. */
function tokensOf(job: JobSpec, items: readonly Item[]): number {
  const some = evenlySpaced(items, LOOKED_AT);
  const lengths = some.map((item) => {
    const { system = "", user } = renderMessages(job.prompt, item);
    const pictures = item.media.length * TOKENS_PER_PICTURE;
    return Buffer.byteLength(system + user) / BYTES_PER_TOKEN + pictures;
  });
  return lengths.length === 0 ? 0 : Math.ceil(lengths.reduce((a, b) => a + b, 0) / lengths.length);
}

/** What is typical: 1 s and 50 tokens/s of a model, 0.3 s of OCR; the simulated engine says it itself. */
function secondsOf({ model, generation }: JobSpec): number {
  const tokens = Math.min(generation.max_tokens ?? USUAL_TOKENS, USUAL_TOKENS);
  const option = (key: string): number => (typeof model.options[key] === "number" ? model.options[key] : 0);
  if (model.engine === "ocr") return 0.3;
  if (model.engine !== "simulated") return 1 + tokens / 50;
  return (
    (Math.max(option("latency_ms"), option("ttft_ms")) + option("tpot_ms") * (option("tokens") || 20)) / 1_000
  );
}

/** How long the index's questions take, asked again and again; and what the leaderboard costs without what stands beside the rows. */
import type { IndexCalls } from "../../coordinator/index/calls.js";

export interface Timed {
  question: string;
  firstMs: number;
  /** Of those that followed. */
  medianMs: number;
  maxMs: number;
}

const AGAIN = 9;
const ANY = {
  metric: "",
  model: "",
  engine: "",
  prompt: "",
  dataset: "",
  campaign: "",
  tenant: "",
  all: false,
};

export async function timed(question: string, ask: () => Promise<unknown>, again = AGAIN): Promise<Timed> {
  const times: number[] = [];
  for (let i = 0; i <= again; i += 1) {
    const started = performance.now();
    await ask();
    times.push(performance.now() - started);
  }
  const [firstMs = 0, ...rest] = times;
  const sorted = rest.toSorted((a, b) => a - b);
  return {
    question,
    firstMs,
    medianMs: sorted[sorted.length >> 1] ?? firstMs,
    maxMs: sorted.at(-1) ?? firstMs,
  };
}

/** `campaign`: one that is in it, with jobs j0000 and j0001. */
export async function questions(index: IndexCalls, generation: number, campaign: string): Promise<Timed[]> {
  const samples = (where: string[], cursor = "") =>
    index.findSamples(generation, { where, size: 50, cursor });
  const times = (where: string[]) => index.timesOfSamples(generation, { where, time: "e2e_ms" });
  const job = (id: string) => ({ campaign, job: id });
  const pairs = { a: job("j0000"), b: job("j0001"), score: "exact_match", limit: 20 };
  return [
    await timed("leaderboard", () => index.leaderboard(generation, { ...ANY, limit: 100 })),
    await timed("leaderboard, every campaign's jobs", () =>
      index.leaderboard(generation, { ...ANY, metric: "latency", all: true, limit: 1000 }),
    ),
    await timed("percentiles of one job", () => times([`campaign=${campaign}`, "job=j0000"])),
    await timed("percentiles of a campaign's jobs", () => times([`campaign=${campaign}`])),
    await timed("two jobs, sample by sample", () => index.pairSamples(generation, pairs)),
    await timed("samples that timed out, a page", () => samples(["status=timeout"])),
    await timed("the same in the last campaign", () => samples([`campaign=${campaign}`, "status=timeout"])),
    await timed("samples of one job by two conditions", () =>
      samples([`campaign=${campaign}`, "job=j0001", "e2e_ms>2100", "score.exact_match<1"]),
    ),
    await timed("samples that are nowhere: all rows are read", () => samples(["e2e_ms>1000000"]), 0),
  ];
}

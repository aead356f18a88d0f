/** What people submit: a handful of shapes of suites, so that each is prepared once and then only submitted. */
import type { Tenants } from "../../coordinator/campaigns/quotas.js";
import type { CampaignRequest } from "../../coordinator/campaigns/request.js";

export interface Shape {
  name: string;
  shards: number;
  request: CampaignRequest;
}

interface Job {
  latencyMs: number;
  device?: "test";
  temperature?: number;
  errorRate?: number;
  oomRate?: number;
}

/** A small dataset is asked again and again, which makes many samples of few bytes. */
const ITEMS = 5;

/** Every model is a job of ITEMS × `repetitions` samples. */
function shape(
  name: string,
  repetitions: number,
  shardSize: number,
  models: Job[],
  metrics: unknown[] = ["exact_match"],
  more: { budget?: { usd?: number; wall_s?: number }; price?: { in_1m: number } } = {},
): Shape {
  const suite = {
    schema: "sai/v1",
    name,
    prompts: [{ id: "ask", template: "{{ input }}", output: "text" }],
    models: models.map(({ latencyMs, device, errorRate = 0, oomRate = 0 }, i) => ({
      id: `m${i}`,
      model: `${name}-m${i}`,
      engine: "simulated",
      ...(more.price && { price: more.price }),
      options: {
        ...{ seed: i, latency_ms: latencyMs, faults: { error_rate: errorRate, oom_rate: oomRate } },
        ...(device ? { device } : {}),
      },
    })),
    datasets: [
      {
        id: "d",
        items: Array.from({ length: ITEMS }, (_, i) => ({ id: `q${i}`, input: `q${i}`, target: `a${i}` })),
      },
    ],
    metrics,
    ...(models[0]?.temperature === undefined
      ? {}
      : { engine_config: { temperature: models[0].temperature } }),
    run: { shard_size: shardSize, repetitions },
    ...(more.budget && { budget: more.budget }),
  };
  const request = { suite: JSON.stringify(suite), inputs: [], modelMap: {}, priority: 0 };
  return { name, request, shards: Math.ceil((ITEMS * repetitions) / shardSize) * models.length };
}

export const SHAPES: readonly Shape[] = [
  shape("singles", 2, 1, [{ latencyMs: 1500 }]),
  shape("pairs", 4, 2, [{ latencyMs: 700 }]),
  shape("triples", 6, 3, [{ latencyMs: 500 }]),
  shape("two-models", 1, 1, [{ latencyMs: 800 }, { latencyMs: 1600 }]),
  shape("slow", 2, 1, [{ latencyMs: 3000 }]),
  shape("devices", 1, 1, [{ latencyMs: 900 }, { latencyMs: 500, device: "test" }]),
  shape("failing", 2, 1, [{ latencyMs: 600, errorRate: 0.75 }]),
  shape("out-of-memory", 2, 1, [{ latencyMs: 600, oomRate: 0.2 }]),
  shape("quick", 2, 1, [{ latencyMs: 20 }]),
];

/** Jobs whose ends matter: what may have duplicates, and what may not; and one that is enough alone. They come by a draw of their own. */
const ENDINGS: readonly Shape[] = [
  shape("tail", 4, 1, [{ latencyMs: 200 }]),
  shape("timed", 4, 1, [{ latencyMs: 200 }], [{ id: "latency", target: "<= 60" }]),
  shape("sampled", 4, 1, [{ latencyMs: 200, temperature: 0.7 }]),
  shape("round", 1, 1, [{ latencyMs: 3000 }]),
  shape("classes", 2, 1, [{ latencyMs: 400, device: "test" }], [{ id: "latency", target: "<= 60" }]),
  shape("many", 2, 1, [{ latencyMs: 700 }, { latencyMs: 1200 }]),
  shape("many-devices", 2, 1, [{ latencyMs: 900 }, { latencyMs: 500, device: "test" }]),
  shape("many-failing", 2, 1, [
    { latencyMs: 600, errorRate: 0.9 },
    { latencyMs: 600, errorRate: 0.8, oomRate: 0.3 },
  ]),
];

/** Campaigns that end with their budgets: every sample costs 1 USD, or there is no time for all. */
const BUDGETED: readonly Shape[] = [
  shape("budgeted", 2, 1, [{ latencyMs: 700 }, { latencyMs: 1200 }], undefined, {
    ...{ budget: { usd: 4.5 }, price: { in_1m: 1e6 } },
  }),
  shape("short", 2, 1, [{ latencyMs: 1500 }], undefined, { budget: { wall_s: 4 } }),
];
/** What may be spent on a campaign of that name when one more shard is given out, in shards. */
export const MOST_SHARDS: ReadonlyMap<string, number> = new Map([["budgeted", 4]]);

/** All shapes, by the numbers that schedules name them with. */
export const EVERY_SHAPE: readonly Shape[] = [...SHAPES, ...ENDINGS, ...BUDGETED];
export const ENDING_SHAPES = ENDINGS.map((_, i) => SHAPES.length + i);
export const BUDGETED_SHAPES = BUDGETED.map((_, i) => SHAPES.length + ENDINGS.length + i);

/** The lanes of models that do not run on the CPU. */
export const LANES: ReadonlyMap<string, string> = new Map([
  ["devices-m1", "test"],
  ["classes-m0", "test"],
  ["many-devices-m1", "test"],
]);

/** Whoever is not named here has no quota. */
export const TENANTS: Tenants = new Map([
  ["tight", { weight: 1, maxCampaigns: 1, maxRunningShards: 2 }],
  ["heavy", { weight: 3, maxCampaigns: undefined, maxRunningShards: 3 }],
]);

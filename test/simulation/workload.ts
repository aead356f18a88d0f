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
  errorRate?: number;
  oomRate?: number;
}

/** A small dataset is asked again and again, which makes many samples of few bytes. */
const ITEMS = 5;

/** Every model is a job of ITEMS × `repetitions` samples. */
function shape(name: string, repetitions: number, shardSize: number, models: Job[]): Shape {
  const suite = {
    schema: "sai/v1",
    name,
    prompts: [{ id: "ask", template: "{{ input }}", output: "text" }],
    models: models.map(({ latencyMs, device, errorRate = 0, oomRate = 0 }, i) => ({
      id: `m${i}`,
      model: `${name}-m${i}`,
      engine: "simulated",
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
    metrics: ["exact_match"],
    run: { shard_size: shardSize, repetitions },
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
  shape("failing", 2, 1, [{ latencyMs: 600, errorRate: 0.2 }]),
  shape("out-of-memory", 2, 1, [{ latencyMs: 600, oomRate: 0.2 }]),
  shape("quick", 2, 1, [{ latencyMs: 20 }]),
];

/** The lanes of models that do not run on the CPU. */
export const LANES: ReadonlyMap<string, string> = new Map([["devices-m1", "test"]]);

/** Whoever is not named here has no quota. */
export const TENANTS: Tenants = new Map([
  ["tight", { weight: 1, maxCampaigns: 1, maxRunningShards: 2 }],
  ["heavy", { weight: 3, maxCampaigns: undefined, maxRunningShards: 3 }],
]);

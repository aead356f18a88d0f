/** What people submit: a handful of shapes of suites, so that each is prepared once and then only submitted. */
import type { CampaignRequest } from "../../coordinator/campaigns/request.js";

export interface Shape {
  name: string;
  shards: number;
  request: CampaignRequest;
}

interface Job {
  items: number;
  shardSize: number;
  latencyMs: number;
  device?: "test";
  errorRate?: number;
  oomRate?: number;
}

/** One dataset and the models that are asked about it; every model is a job. */
function shape(
  name: string,
  items: number,
  shardSize: number,
  models: Omit<Job, "items" | "shardSize">[],
  more = {},
): Shape {
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
        items: Array.from({ length: items }, (_, i) => ({
          id: `q${i}`,
          input: `question ${i}`,
          target: `a${i}`,
        })),
      },
    ],
    metrics: ["exact_match"],
    run: { shard_size: shardSize, ...more },
  };
  const request = { suite: JSON.stringify(suite), inputs: [], modelMap: {}, priority: 0 };
  return { name, request, shards: Math.ceil(items / shardSize) * models.length };
}

export const SHAPES: readonly Shape[] = [
  shape("singles", 12, 1, [{ latencyMs: 1500 }]),
  shape("pairs", 22, 2, [{ latencyMs: 700 }]),
  shape("triples", 24, 3, [{ latencyMs: 500 }]),
  shape("two-models", 12, 2, [{ latencyMs: 500 }, { latencyMs: 1100 }]),
  shape("slow", 10, 1, [{ latencyMs: 4000 }]),
  shape("devices", 12, 2, [{ latencyMs: 600 }, { latencyMs: 300, device: "test" }]),
  shape("failing", 12, 1, [{ latencyMs: 600, errorRate: 0.2 }]),
  shape("out-of-memory", 12, 1, [{ latencyMs: 600, oomRate: 0.2 }]),
  shape("quick", 16, 1, [{ latencyMs: 20 }]),
];

/** The lanes of models that do not run on the CPU. */
export const LANES: ReadonlyMap<string, string> = new Map([["devices-m1", "test"]]);

/** Suites of tests: arithmetic-like questions with their answers inline, asked of the engine a test wants. */
import type { Json } from "../../shared/benchmark/json.js";

export interface SuiteOptions {
  items?: number;
  shardSize?: number;
  /** Of each model; engine `simulated` unless said otherwise. */
  model?: { [key: string]: Json };
  /** Models, each of which is a job; 1 unless given. */
  models?: number;
  options?: { [key: string]: Json };
  engineConfig?: { [key: string]: Json };
  run?: { [key: string]: Json };
  name?: string;
  /** More of the suite's keys, such as its budget. */
  suite?: { [key: string]: Json };
}

/** A suite as JSON text: one prompt, `models` models, `items` questions q1 … whose answer is a1 … */
export function suiteOf(suite: SuiteOptions = {}): string {
  const items = Array.from({ length: suite.items ?? 8 }, (_, i) => ({
    id: `q${i + 1}`,
    input: `question ${i + 1}`,
    target: `a${i + 1}`,
  }));
  return JSON.stringify({
    schema: "sai/v1",
    name: suite.name ?? "test",
    prompts: [{ id: "ask", template: "{{ input }}", output: "text" }],
    models: Array.from({ length: suite.models ?? 1 }, (_, i) => ({
      ...{ id: i === 0 ? "m" : `m${i + 1}`, engine: "simulated", ...suite.model },
      options: suite.options ?? {},
    })),
    datasets: [{ id: "d", items }],
    metrics: ["exact_match"],
    ...(suite.engineConfig ? { engine_config: suite.engineConfig } : {}),
    run: { shard_size: suite.shardSize ?? 2, ...suite.run },
    ...suite.suite,
  });
}

/**
 * Expansion: prompts × models × datasets becomes the plan's jobs, prompts outermost, datasets innermost. A dataset
 * without a manifest (absent, or without items) makes no job; the findings say so.
 */
import { canonicalJson, type Sha256 } from "./json.js";
import type { AnswerSpec, DatasetRef, JobSpec, ModelSpec, Plan, PromptSpec } from "./plan.js";
import { promptHash } from "./prompts/prompt-hash.js";
import type { Suite } from "./suite/suite-types.js";

export interface ExpandInput {
  campaign: string;
  suite: Suite;
  suiteSha256: string;
  /** In suite order. */
  prompts: PromptSpec[];
  models: ModelSpec[];
  /** By dataset id; those missing here are left out. */
  datasets: ReadonlyMap<string, DatasetRef>;
  sha256: Sha256;
}

/** The plan; equal inputs give equal plans, byte for byte in canonical JSON. */
export function expandPlan(input: ExpandInput): Plan {
  const { suite } = input;
  const jobs: JobSpec[] = [];
  for (const prompt of input.prompts) {
    for (const model of input.models) {
      for (const spec of suite.datasets) {
        const dataset = input.datasets.get(spec.id);
        if (!dataset || dataset.items === 0) continue;
        jobs.push({
          id: `j${String(jobs.length).padStart(4, "0")}`,
          prompt: withAnswer(prompt, spec.answer, input.sha256),
          model,
          dataset,
          generation: suite.generation,
          engineOptions: suite.engineOptions,
          metrics: suite.metrics,
          test: suite.test,
          repetitions: suite.run.repetitions,
          samples: dataset.items * suite.run.repetitions,
          shardSize: suite.run.shardSize,
          warmup: suite.run.warmup,
          maxAttempts: suite.run.maxAttempts,
          ...(suite.placement.mixed ? { mixedClasses: true as const } : {}),
        });
      }
    }
  }
  return {
    v: 1,
    campaign: input.campaign,
    name: suite.name,
    description: suite.description,
    suiteSha256: input.suiteSha256,
    jobs,
  };
}

/** The plan as the bytes of its artifact: canonical JSON, so that equal plans have equal hashes. */
export const planBytes = (plan: Plan): Uint8Array =>
  new TextEncoder().encode(canonicalJson(JSON.parse(JSON.stringify(plan))));

/** A dataset's `answer` fills in for prompts that have none; that is another version of the prompt, with its own hash. */
function withAnswer(prompt: PromptSpec, answer: AnswerSpec | undefined, sha256: Sha256): PromptSpec {
  if (!answer || prompt.answer) return prompt;
  const version = { ...prompt, answer };
  return { ...version, sha256: promptHash(version, sha256) };
}

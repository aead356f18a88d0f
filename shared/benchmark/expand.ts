/**
 * Expansion: prompts × models × datasets becomes the plan's jobs, prompts outermost, datasets innermost. A dataset
 * without a manifest (absent, or without items) makes no job; the findings say so.
 */

import { canonicalJson, type Sha256 } from "./json.js";
import { judgePrompt } from "./judge.js";
import { cellTest } from "./matrix.js";
import type { AnswerSpec, DatasetRef, JobSpec, ModelSpec, Plan, PromptSpec, ScenarioSpec } from "./plan.js";
import { promptHash } from "./prompts/prompt-hash.js";
import type { Suite, SuiteLoad } from "./suite/suite-types.js";

export interface ExpandInput {
  campaign: string;
  suite: Suite;
  suiteSha256: string;
  /** In suite order. */
  prompts: PromptSpec[];
  models: ModelSpec[];
  /** Those that judge, by the ids that metrics name. */
  judges?: readonly ModelSpec[];
  /** By dataset id; those missing here are left out. */
  datasets: ReadonlyMap<string, DatasetRef>;
  /** The items that the suite's scenarios are about, by dataset id. */
  scenarios?: ReadonlyMap<string, ScenarioSpec[]>;
  sha256: Sha256;
}

/** The plan; equal inputs give equal plans, byte for byte in canonical JSON. */
export function expandPlan(input: ExpandInput): Plan {
  const { suite } = input;
  const cells = cellsOf(input);
  const { mode } = suite.run;
  // What measures answers comes first: nothing else runs beside a load.
  const quality = mode === "load" ? [] : cells.map((cell) => qualityJob(suite, cell));
  const numbered = quality.map((job, i) => ({ id: jobId(i), ...job }));
  const verdicts = numbered.flatMap((job) => judgeJobs(input, job));
  const { load } = suite;
  const loads = load
    ? cells.flatMap((cell) => load.values.map((value) => loadJob(suite, load, value, cell)))
    : [];
  return {
    v: 1,
    campaign: input.campaign,
    name: suite.name,
    description: suite.description,
    suiteSha256: input.suiteSha256,
    jobs: [...quality, ...verdicts, ...loads].map((job, i) => ({ ...job, id: jobId(i) })),
    ...(suite.compat === undefined ? {} : { compat: suite.compat }),
    ...(suite.baseline === undefined ? {} : { baseline: suite.baseline }),
    ...(suite.budget === undefined ? {} : { budget: suite.budget }),
  };
}

const jobId = (index: number): string => `j${String(index).padStart(4, "0")}`;

/** One for each metric that a judge gives: the same samples, in the same pieces. */
function judgeJobs({ suite, models, judges = [], sha256 }: ExpandInput, of: JobSpec): Omit<JobSpec, "id">[] {
  return of.metrics.flatMap(({ id: metric, judge }) => {
    const model = [...judges, ...models].find(({ id }) => id === judge?.model);
    if (judge === undefined || model === undefined) return [];
    const { config } = [...(suite.judges ?? []), ...suite.models].find(({ id }) => id === model.id) ?? {};
    const { id: _id, scenarios: _scenarios, ...job } = of;
    const { scale, choices, higherIsBetter } = judge;
    return [
      {
        ...job,
        model,
        // Judges are known by the hash; the name says what is judged.
        prompt: {
          ...judgePrompt(metric, judge, sha256),
          id: `${metric}.judge/${of.model.id}/${of.prompt.id}`,
        },
        // A judge that draws at random judges the same answer in several ways.
        generation: { ...suite.generation, temperature: 0, ...config?.generation },
        engineOptions: { ...suite.engineOptions, ...config?.engineOptions },
        metrics: [{ id: "parse_success_rate" }, { id: "cost" }],
        test: withoutLimits(job.test),
        warmup: 0,
        judge: {
          ...{ of: of.id, metric, scale },
          ...(choices && { choices }),
          ...(higherIsBetter === undefined ? {} : { higherIsBetter }),
        },
      },
    ];
  });
}

/** Verdicts that cannot be read end no job. */
function withoutLimits({
  maxFailures: _most,
  failureThreshold: _share,
  ...test
}: JobSpec["test"]): JobSpec["test"] {
  return test;
}

type Cell = Pick<JobSpec, "prompt" | "model" | "dataset" | "generation" | "engineOptions" | "scenarios">;

function cellsOf(input: ExpandInput): Cell[] {
  const { suite } = input;
  const isRun = cellTest(suite);
  const configs = new Map(suite.models.map((model) => [model.id, model.config]));
  return input.prompts.flatMap((prompt) =>
    input.models.flatMap((model) =>
      suite.datasets.flatMap((spec): Cell[] => {
        const dataset = input.datasets.get(spec.id);
        if (!dataset || dataset.items === 0) return [];
        if (!isRun({ prompt: prompt.id, model: model.id, dataset: spec.id })) return [];
        const config = configs.get(model.id);
        const scenarios = input.scenarios?.get(spec.id) ?? [];
        return [
          {
            ...{ prompt: withAnswer(prompt, spec.answer, input.sha256), model, dataset },
            generation: { ...suite.generation, ...config?.generation },
            engineOptions: { ...suite.engineOptions, ...config?.engineOptions },
            ...(scenarios.length > 0 ? { scenarios } : {}),
          },
        ];
      }),
    ),
  );
}

function qualityJob(suite: Suite, cell: Cell): Omit<JobSpec, "id"> {
  return {
    ...cell,
    metrics: suite.metrics,
    test: suite.test,
    repetitions: suite.run.repetitions,
    samples: cell.dataset.items * suite.run.repetitions,
    shardSize: suite.run.shardSize,
    warmup: suite.run.warmup ?? 0,
    maxAttempts: suite.run.maxAttempts,
    ...(suite.run.cache === "deterministic" ? { cache: true as const } : {}),
    ...(suite.placement.mixed ? { mixedClasses: true as const } : {}),
  };
}

/** One level: its windows are its samples, and one shard, so that they run one after the other. */
function loadJob(
  suite: Suite,
  { values: _, warmup, ...load }: SuiteLoad,
  value: number,
  { scenarios: _none, ...cell }: Cell,
): Omit<JobSpec, "id"> {
  const { maxConcurrentRequests: _most, requestDelayS: _delay, ...generation } = cell.generation;
  const { repetitions } = suite.run;
  // What a cache answers says nothing of a server.
  const { cache: _cache, ...job } = qualityJob(suite, cell);
  return {
    ...job,
    // What failed is counted, not asked again: its time would be another request's.
    generation: { ...generation, maxRetries: 0 },
    metrics: [],
    samples: repetitions,
    shardSize: repetitions,
    warmup,
    load: { ...load, value },
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

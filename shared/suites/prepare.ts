/**
 * The one procedure that turns a suite into something that can be planned; `sai validate`, `sai apply`, `sai run`, the
 * demo and the coordinator all call it, so that they cannot disagree.
 *
 *   load text → read suite → prompts, models, datasets → checks across them → counts and rendered samples
 *
 * All findings are collected; a later step runs as far as the earlier ones allow.
 */
import { expandPlan } from "../benchmark/expand.js";
import { errorsFirst, type Finding, hasErrors, type LineOf } from "../benchmark/finding.js";
import { resolveModels } from "../benchmark/models.js";
import type { DatasetRef, ModelSpec, Plan } from "../benchmark/plan.js";
import { resolvePrompts } from "../benchmark/prompts/resolve-prompts.js";
import type { Suite } from "../benchmark/suite/suite-types.js";
import { readSuite } from "../benchmark/suite.js";
import { sha256 } from "../runtime/hash.js";
import { checkJudged } from "./check-judged.js";
import { checkLoad } from "./check-load.js";
import { crossCheck } from "./cross-check.js";
import { loadSuite } from "./load.js";
import { matrixSize } from "./matrix-size.js";
import { prepareDatasets } from "./prepare-datasets.js";
import type { Prepared, PreparedDataset, PrepareInput } from "./prepare-types.js";
import { readPromptFiles } from "./prompt-files.js";
import { renderSamples } from "./render-samples.js";

export type { Prepared, PreparedDataset, PrepareInput, RenderedSample } from "./prepare-types.js";

/** Prepares a suite. Never throws for bad input: what is wrong is in `findings`. */
export async function prepareSuite(input: PrepareInput): Promise<Prepared> {
  const suiteSha256 = sha256(input.text);
  const loaded = loadSuite(input.text);
  if ("findings" in loaded) return nothing(suiteSha256, loaded.findings);
  const { suite, findings: suiteFindings } = readSuite(loaded.value, loaded.lineOf);
  if (!suite) return nothing(suiteSha256, suiteFindings);

  const lineOf: LineOf = loaded.lineOf;
  const files = await readPromptFiles(suite, input.promptFiles, input.files, lineOf);
  const prompts = resolvePrompts(suite, files.texts, sha256, lineOf);
  const models = resolveBoth(suite, input, lineOf);
  const datasets = await prepareDatasets(suite, input, lineOf);
  const size = matrixSize(suite, prompts.prompts, models.models, datasets.datasets, lineOf);
  const findings = onceEach([
    ...suiteFindings,
    ...size.findings,
    ...files.findings,
    ...prompts.findings,
    ...models.findings,
    ...datasets.findings,
    ...checkLoad(suite, models.models, datasets.datasets, lineOf),
    ...checkJudged(suite, models, datasets.datasets, lineOf),
    ...(await crossCheck(suite, prompts.prompts, models.models, datasets.datasets, lineOf)),
  ]);
  const parts = {
    suite,
    suiteSha256,
    prompts: prompts.prompts,
    models: models.models,
    judges: models.judges,
    datasets: datasets.datasets,
  };
  const jobs = size.findings.length > 0 ? [] : makePlan(parts, "").jobs;
  return {
    ...parts,
    ok: !hasErrors(findings),
    findings,
    promptFiles: files.texts,
    jobs: size.jobs,
    samples: size.samples,
    rendered: (n) => renderSamples(jobs, datasets.datasets, n),
  };
}

/** The plan of a prepared suite. Throws RangeError if it has errors; callers refuse those first. */
export function planOf(prepared: Prepared, campaign: string): Plan {
  if (!prepared.ok || !prepared.suite) throw new RangeError("a suite with errors has no plan");
  return makePlan({ ...prepared, suite: prepared.suite }, campaign);
}

/** Models, and those that only judge: mapped and found alike. */
function resolveBoth(
  suite: Suite,
  { modelMap, available }: Pick<PrepareInput, "modelMap" | "available">,
  lineOf: LineOf,
): ReturnType<typeof resolveModels> & { judges: ModelSpec[] } {
  const all = { models: [...suite.models, ...(suite.judges ?? [])] };
  const { models, findings } = resolveModels(all, modelMap, available, lineOf);
  const judges = new Set(suite.judges?.map(({ id }) => id));
  return {
    models: models.filter(({ id }) => !judges.has(id)),
    judges: models.filter(({ id }) => judges.has(id)),
    findings,
  };
}

/** Errors first; what a client warned of and what is found here again is told once. */
function onceEach(findings: readonly Finding[]): Finding[] {
  const seen = new Map(findings.map((f) => [JSON.stringify([f.severity, f.field, f.message]), f]));
  return errorsFirst([...seen.values()]);
}

type Parts = Pick<Prepared, "suiteSha256" | "prompts" | "models" | "judges"> & {
  suite: NonNullable<Prepared["suite"]>;
  datasets: readonly PreparedDataset[];
};

function makePlan(parts: Parts, campaign: string): Plan {
  const datasets = new Map<string, DatasetRef>(
    parts.datasets.map(({ id, sha256: manifestSha256, items }) => [
      id,
      { id, manifestSha256, items: items.length },
    ]),
  );
  const scenarios = new Map(parts.datasets.map(({ id, scenarios: own = [] }) => [id, own]));
  return expandPlan({ ...parts, campaign, datasets, scenarios, sha256 });
}

const nothing = (suiteSha256: string, findings: Finding[]): Prepared => ({
  ok: false,
  findings: errorsFirst(findings),
  suiteSha256,
  prompts: [],
  models: [],
  judges: [],
  datasets: [],
  promptFiles: new Map(),
  jobs: 0,
  samples: 0,
  rendered: () => [],
});

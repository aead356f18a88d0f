/**
 * Two cells against each other. Samples pair by `pair_key` within the cells' prompts; a pair whose truths differ is left
 * out and counted, as is what only one side has. What was cancelled was never run, on whichever side.
 */
import { type CellInput, measuredOf } from "../aggregate-cell.js";
import { type Pair, pairUp } from "../aggregate-pairs.js";
import { canonicalJson, type Json } from "../json.js";
import { definitionOf } from "../metrics/definition.js";
import type { JobSpec, MetricSpec } from "../plan.js";
import { compareMetric } from "./compare-metric.js";
import type { CellName, Change, ComparedCell, ComparedMetric } from "./comparison.js";
import { chooseFlips, type FlipRef } from "./flips.js";
import type { CompareRules } from "./rules.js";

/** A cell as it is compared, its flipped samples by their ordinals: their words are read afterwards. */
export type CellComparison = Omit<ComparedCell, "flips"> & { flips: FlipRef[] };

/** Shown of every cell where it is known, whether the suite asks for it or not. */
const ALWAYS = ["latency", "cost"];

export function compareCells(base: CellInput, candidate: CellInput, rules: CompareRules): CellComparison {
  const [ofBase, ofCandidate] = [measuredOf(base.samples), measuredOf(candidate.samples)];
  const { pairs, notComparable } = pairUp(ofCandidate, ofBase);
  const cells = { base: base.job, candidate: candidate.job, pairs };
  const metrics = specsOf(base.job, candidate.job, rules).map(({ spec, reason }) =>
    reason === ""
      ? compareMetric(spec, cells, rules)
      : { ...compareMetric(spec, { ...cells, pairs: [] }, rules), reason },
  );
  const matched = pairs.length + notComparable;
  return {
    base: nameOf(base.job),
    candidate: nameOf(candidate.job),
    simulated: [base.job, candidate.job].some(({ model }) => model.engine === "simulated"),
    pairs: pairs.length,
    baseAlone: base.job.samples - matched,
    candidateAlone: candidate.job.samples - matched,
    otherTruth: notComparable,
    metrics: metrics.filter((metric) => metric.judged || !isEmptyExtra(metric, base.job, rules)),
    changes: changesOf(base, candidate),
    ...flipsOf(base.job, metrics, pairs, rules),
  };
}

const nameOf = ({ id, model, prompt, dataset }: JobSpec): CellName => ({
  ...{ job: id, model: model.id, prompt: prompt.id, dataset: dataset.id },
});

/** Metrics of both in the base's order, and those that somebody asked for although only one has them. */
function specsOf(
  base: JobSpec,
  candidate: JobSpec,
  { metrics, failOn }: CompareRules,
): { spec: MetricSpec; reason: string }[] {
  const extra = ALWAYS.map((id): MetricSpec => ({ id }));
  const [ofBase, ofCandidate] = [base, candidate].map(
    (job) => new Map([...job.metrics, ...extra].map((spec) => [spec.id, spec])),
  );
  if (ofBase === undefined || ofCandidate === undefined) return [];
  const asked = new Set([...metrics, ...failOn.map(({ metric }) => metric)]);
  const found: { spec: MetricSpec; reason: string }[] = [];
  for (const id of new Set([...ofBase.keys(), ...ofCandidate.keys()])) {
    const [b, c] = [ofBase.get(id), ofCandidate.get(id)];
    const spec = b ?? c;
    if (spec === undefined || (metrics.length > 0 && !asked.has(id))) continue;
    if (b === undefined || c === undefined) {
      if (asked.has(id))
        found.push({ spec, reason: `${b === undefined ? "base" : "candidate"}: not asked for` });
    } else found.push({ spec, reason: isSame(b, c) ? "" : "it is another metric in the other campaign" });
  }
  return found;
}

const isSame = (a: MetricSpec, b: MetricSpec): boolean =>
  settingsText({ custom: a.custom, reduce: a.reduce, judge: a.judge }) ===
  settingsText({ custom: b.custom, reduce: b.reduce, judge: b.judge });

/** The same text for the same settings, in whichever order they stand. */
const settingsText = (settings: object): string =>
  canonicalJson(JSON.parse(JSON.stringify(settings)) as Json);

/** Time and cost that nobody asked for and that are not known. */
const isEmptyExtra = (metric: ComparedMetric, { metrics }: JobSpec, rules: CompareRules): boolean =>
  metric.difference === undefined &&
  !metrics.some(({ id }) => id === metric.id) &&
  !rules.metrics.includes(metric.id);

/** By the first metric that is judged and can be read off a sample, else the first such metric. */
function flipsOf(
  base: JobSpec,
  metrics: readonly ComparedMetric[],
  pairs: readonly Pair[],
  rules: CompareRules,
): Pick<CellComparison, "flipMetric" | "lost" | "won" | "flips"> {
  const readable = metrics.filter(
    (metric) => metric.difference !== undefined && kindOf(base, metric) === "quality",
  );
  const leading = readable.find((metric) => metric.judged) ?? readable[0];
  const spec = base.metrics.find(({ id }) => id === leading?.id);
  if (spec === undefined) return { flipMetric: "", lost: 0, won: 0, flips: [] };
  return { flipMetric: spec.id, ...chooseFlips(spec, pairs, rules.flips) };
}

function kindOf({ metrics }: JobSpec, { id }: ComparedMetric): string | undefined {
  const spec = metrics.find((one) => one.id === id);
  return spec && definitionOf(spec)?.what.kind;
}

/** What a reader should know of before believing that one thing alone was changed. */
function changesOf(base: CellInput, candidate: CellInput): Change[] {
  const facts = [base, candidate].map(({ job, samples }) => ({
    model: `${job.model.engine}:${job.model.model}`,
    digest: seen(samples.map(({ modelDigest }) => modelDigest)),
    quantisation: job.model.quant ?? "",
    engine: seen(samples.map(({ engineVersion }) => engineVersion)),
    prompt: `${job.prompt.id} ${job.prompt.version} ${job.prompt.sha256.slice(0, 12)}`,
    dataset: `${job.dataset.id} ${job.dataset.manifestSha256.slice(0, 12)}`,
    repetitions: String(job.repetitions),
    settings: settingsText(job.generation),
    options: settingsText({ ...job.engineOptions, ...job.model.options }),
    scoring: settingsText(job.test),
  }));
  const [ofBase, ofCandidate] = facts;
  if (ofBase === undefined || ofCandidate === undefined) return [];
  return (Object.keys(ofBase) as (keyof typeof ofBase)[]).flatMap((what) =>
    ofBase[what] === ofCandidate[what] ? [] : [{ what, base: ofBase[what], candidate: ofCandidate[what] }],
  );
}

const seen = (values: readonly string[]): string =>
  [...new Set(values)]
    .filter((value) => value !== "")
    .sort()
    .join(", ");

/** A recommendation for each prompt, dataset and quality metric; recommend.ts says which. */
import type { CellInput } from "./aggregate-cell.js";
import { chooseReading } from "./metrics/applicable.js";
import { definitionOf } from "./metrics/definition.js";
import { groupBy } from "./metrics/group-by.js";
import { cost } from "./metrics/run.js";
import { type Candidate, recommend } from "./recommend.js";
import type { Cell, Comparison, Recommendation } from "./summary.js";

/** `cells`: the summary of each input, by job. */
export function recommendModels(
  inputs: readonly CellInput[],
  cells: readonly Cell[],
  comparisons: readonly Comparison[],
): Recommendation[] {
  const byJob = new Map(cells.map((cell) => [cell.job, cell]));
  const groups = groupBy(inputs, ({ job }) => JSON.stringify([job.prompt.sha256, job.dataset.id]));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined || group.length < 2) return [];
    const { prompt, dataset } = first.job;
    const usd = new Map(group.map((input) => [input, usdOfSample(input)]));
    const specs = new Map(group.flatMap(({ job }) => job.metrics.map((spec) => [spec.id, spec])));
    return [...specs].flatMap(([metric, spec]) => {
      const definition = definitionOf(spec);
      if (definition?.what.kind !== "quality") return [];
      const { readings } = definition.what;
      const candidates = group.map((input): Candidate => {
        const choice = chooseReading(readings, input.job.prompt, input.samples);
        return {
          model: input.job.model.id,
          value: byJob.get(input.job.id)?.metrics.find(({ id }) => id === metric)?.value,
          usd: usd.get(input),
          isShare: "reading" in choice && choice.reading.proportion === true,
        };
      });
      const { higherIsBetter, unit } = definition;
      const choice = { metric, prompt: prompt.id, dataset: dataset.id, higherIsBetter, unit };
      const own = comparisons.filter(
        (one) =>
          one.metric === metric && one.level === "" && one.prompt === prompt.id && one.dataset === dataset.id,
      );
      return recommend(choice, candidates, own) ?? [];
    });
  });
}

/** USD of one sample that was asked, failed ones among them; undefined where that is not known. */
function usdOfSample({ job, samples }: CellInput): number | undefined {
  const asked = samples.filter(({ cached, status }) => !cached && status !== "cancelled");
  const total = cost(asked, job.model.price);
  return "value" in total && asked.length > 0 ? total.value / asked.length : undefined;
}

/**
 * Scenarios: parts of a dataset with expectations of their own (`test_scenarios`). Which items belong to one is decided
 * when the suite is prepared and stands in the plan; in a summary a scenario is one more level of its cell, with targets.
 */
import { columnsOfItem, filterTest } from "./filter.js";
import type { Item } from "./item.js";
import { type Measured, metricValue } from "./metrics/value.js";
import type { ScenarioSpec } from "./plan.js";
import type { Scenario } from "./suite/suite-types.js";
import type { Level } from "./summary.js";

const PREFIX = "scenario: ";

/** Whether a level of a summary is a scenario. */
export const isScenario = ({ level }: Pick<Level, "level">): boolean => level.startsWith(PREFIX);

/** The scenarios that are about items of this dataset; those that expect nothing or match nothing are left out. */
export function scenariosOf(
  scenarios: readonly Scenario[],
  dataset: string,
  items: Iterable<Item>,
): ScenarioSpec[] {
  const open = scenarios
    .filter(({ datasets, expected }) => expected.length > 0 && (datasets?.includes(dataset) ?? true))
    .map(({ name, filter, expected }) => ({
      test: filterTest(filter),
      spec: { name, items: [], metrics: expected } as ScenarioSpec,
    }));
  if (open.length === 0) return [];
  let index = 0;
  for (const item of items) {
    const columns = columnsOfItem(item);
    for (const { test, spec } of open) {
      if (!test(columns)) continue;
      const last = spec.items.at(-1);
      if (last?.[1] === index) last[1] = index + 1;
      else spec.items.push([index, index + 1]);
    }
    index++;
  }
  return open.map(({ spec }) => spec).filter(({ items: ranges }) => ranges.length > 0);
}

/** A level for each scenario of the job. */
export function summarizeScenarios({ job, samples }: Measured): Level[] {
  return (job.scenarios ?? []).map(({ name, items, metrics }) => {
    const own = samples.filter(({ item }) => items.some(([from, to]) => item >= from && item < to));
    const level = `${PREFIX}${name}`;
    return {
      level,
      n: new Set(own.map(({ item }) => item)).size,
      metrics: metrics.map((spec) => metricValue(spec, { job, samples: own, scope: level })),
    };
  });
}

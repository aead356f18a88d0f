import { checkNames } from "./check-names.js";
import { Fields, isObject, kindOf } from "./fields.js";
import { readExpectations } from "./read-expectations.js";
import { readFilter } from "./read-filter.js";
import type { Scenario, Suite } from "./suite-types.js";

/** `test_scenarios` of SAI suites: a list of scenarios, or an object of them by name. */
export function readScenarios(root: Fields, { datasets }: Pick<Suite, "datasets">): Scenario[] {
  const value = root.raw("test_scenarios");
  const named = isObject(value)
    ? Object.entries(value).map(([name, inner]) => ({ field: `test_scenarios.${name}`, name, inner }))
    : (root.list("test_scenarios") ?? []).map((inner, i) => ({
        field: `test_scenarios[${i}]`,
        name: `scenario ${i + 1}`,
        inner,
      }));
  const seen = new Map<string, string>();
  return named.flatMap(({ field, name, inner }) => {
    if (!isObject(inner)) {
      root.findings.error(field, `expected a scenario, found ${kindOf(inner)}`);
      return [];
    }
    const scenario = readScenario(new Fields(field, inner, root.findings), field, name);
    if (scenario.datasets) checkNames(root, `${field}.datasets`, scenario.datasets, datasets, "dataset");
    const first = seen.get(scenario.name);
    if (first !== undefined) {
      root.findings.error(field, `${JSON.stringify(scenario.name)} is already ${first}`);
      return [];
    }
    seen.set(scenario.name, field);
    return [scenario];
  });
}

function readScenario(fields: Fields, field: string, fallback: string): Scenario {
  const name = fields.text("name", 200) ?? fields.text("id", 200) ?? fallback;
  const filter = readFilter(fields, fields.has("filter_conditions") ? "filter_conditions" : "filter");
  const datasets = fields.texts(fields.has("datasets") ? "datasets" : "dataset");
  const expected = readExpectations(fields, "expected_performance");
  fields.accept("description", "weight", "priority", "tags", "filter");
  if (fields.has("filter_conditions") && fields.has("filter"))
    fields.findings.error(fields.path("filter"), "filter_conditions says it already", "keep one of them");
  if (!filter && !datasets && !fields.has("filter_conditions") && !fields.has("filter"))
    fields.findings.oddity(field, "the scenario has no filter_conditions: it is about every item");
  if (expected.length === 0)
    fields.findings.oddity(
      field,
      "the scenario expects nothing that can be checked",
      "add expected_performance",
    );
  fields.close();
  return { field, name, filter: filter ?? { columns: [] }, expected, ...(datasets && { datasets }) };
}

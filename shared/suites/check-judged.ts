/** What judges need beyond what their own keys say: templates that render, and distance from what they judge. */
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import { judgedItem, modelFamily } from "../benchmark/judge.js";
import type { ModelSpec } from "../benchmark/plan.js";
import type { Suite } from "../benchmark/suite/suite-types.js";
import { renderMessages } from "../benchmark/template.js";
import { errorText } from "../runtime/errors.js";
import type { PreparedDataset } from "./prepare-types.js";

export function checkJudged(
  suite: Suite,
  { models, judges }: { models: readonly ModelSpec[]; judges: readonly ModelSpec[] },
  datasets: readonly PreparedDataset[],
  lineOf: LineOf,
): Finding[] {
  const findings = new FindingList(lineOf);
  for (const { id, judge } of suite.metrics) {
    if (judge === undefined) continue;
    for (const dataset of datasets) {
      const [item] = dataset.items;
      if (item === undefined) continue;
      try {
        renderMessages(judge, judgedItem(item, "an answer"));
      } catch (error) {
        const message = `the judge of ${id} cannot be asked about item ${item.id} of ${dataset.id}: ${errorText(error)}`;
        findings.error(
          "metrics",
          message,
          "its templates see input, answer, target, item and the item's columns",
        );
      }
    }
    const model = [...judges, ...models].find((one) => one.id === judge.model);
    const kin = models.filter((one) => model && modelFamily(one.model) === modelFamily(model.model));
    if (model && kin.length > 0 && model.engine !== "simulated")
      findings.warning(
        "metrics",
        `${id}: the judge ${model.id} is of the same family as ${kin.map((one) => one.id).join(", ")}: judges prefer their own`,
        "a judge of another family judges all alike",
      );
  }
  return findings.all;
}

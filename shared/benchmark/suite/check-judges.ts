/** Whether the judges that metrics name are there, and whether what they need is. */
import type { FindingList } from "../finding.js";
import type { Suite } from "./suite-types.js";

export function checkJudges(
  { metrics, models, judges = [], test }: Pick<Suite, "metrics" | "models" | "judges" | "test">,
  findings: FindingList,
): void {
  const judged = metrics.flatMap(({ id, judge }) => (judge ? [{ id, judge }] : []));
  const known = new Set([...models, ...judges].map(({ id }) => id));
  for (const { id, judge } of judged) {
    if (known.has(judge.model)) continue;
    const hint = findings.suggest(judge.model, known) || "add it to judges";
    findings.error("metrics", `${id} is judged by ${judge.model}, which the suite does not have`, hint);
  }
  if (judged.length > 0 && !test.includeRawResponses)
    findings.error(
      "test_config.include_raw_responses",
      "judges read raw responses",
      "leave it out, or set it to true",
    );
  const both = new Set(models.map(({ id }) => id));
  for (const { id, field } of judges) {
    if (both.has(id)) findings.error(field, `${id} is one of models already`, "metrics may name it there");
    else if (!judged.some(({ judge }) => judge.model === id)) findings.warning(field, `${id} judges nothing`);
  }
}

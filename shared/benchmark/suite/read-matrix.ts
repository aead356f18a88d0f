import { checkNames } from "./check-names.js";
import { Fields, isObject, kindOf } from "./fields.js";
import type { MatrixRule, Suite } from "./suite-types.js";

const AXES = [
  { one: "prompt", many: "prompts" },
  { one: "model", many: "models" },
  { one: "dataset", many: "datasets" },
] as const;

/** `matrix`: rules of cells, each naming prompts, models or datasets: `{prompt: a, models: [b, c]}`. */
export function readMatrix(
  root: Fields,
  entries: Pick<Suite, "prompts" | "models" | "datasets">,
): Suite["matrix"] {
  const matrix = root.object("matrix");
  if (!matrix) return undefined;
  const read = (key: "include" | "exclude"): MatrixRule[] => {
    const value = matrix.raw(key);
    if (Array.isArray(value) && value.length === 0) return [];
    return (matrix.list(key) ?? []).flatMap((rule, i) => {
      const field = `${matrix.path(key)}[${i}]`;
      if (isObject(rule)) return [readRule(new Fields(field, rule, root.findings), entries)];
      root.findings.error(field, `expected an object with prompt, model or dataset, found ${kindOf(rule)}`);
      return [];
    });
  };
  const rules = { include: read("include"), exclude: read("exclude") };
  matrix.close();
  return rules;
}

function readRule(rule: Fields, entries: Pick<Suite, "prompts" | "models" | "datasets">): MatrixRule {
  const read: MatrixRule = {};
  for (const { one, many } of AXES) {
    const names = [one, many].flatMap((key) => rule.texts(key) ?? []);
    if (names.length === 0) continue;
    read[many] = names;
    checkNames(rule, rule.path(rule.has(many) ? many : one), names, entries[many], one);
  }
  if (!AXES.some(({ one, many }) => rule.has(one) || rule.has(many)))
    rule.findings.error(rule.at, "the rule names no prompt, model or dataset", "such as {model: llava:7b}");
  rule.close();
  return read;
}

import { templateProblem } from "../template.js";
import type { Fields } from "./fields.js";
import type { FewShot } from "./suite-types.js";

/** Most examples before one question. */
const MAX_SHOTS = 100;

/** `fewshot`: how many worked examples stand before each question, and where they come from. */
export function readFewShot(root: Fields): FewShot | undefined {
  const fields = root.object("fewshot");
  if (!fields) return undefined;
  const n = fields.number("n", { min: 1, max: MAX_SHOTS, integer: true });
  if (!fields.has("n")) fields.findings.error(fields.at, "fewshot has no n", "say how many examples: n: 3");
  const seed = fields.number("seed", { min: 0, integer: true }) ?? 0;
  const split = fields.text("split", 200);
  const mode = fields.oneOf("mode", ["fixed", "per_item"] as const) ?? "fixed";
  const as = fields.oneOf("as", ["text", "turns"] as const);
  if (as === "turns") {
    const hint = "as: text puts the examples before the question";
    fields.findings.error(fields.path("as"), "examples as turns are not supported in this version", hint);
  }
  const targetTemplate = fields.text("target_template") ?? "{{ target }}";
  const problem = templateProblem(targetTemplate);
  if (problem !== undefined)
    fields.findings.error(fields.path("target_template"), `the template is wrong: ${problem}`);
  fields.close();
  if (n === undefined) return undefined;
  return { field: "fewshot", n, seed, mode, targetTemplate, ...(split !== undefined && { split }) };
}

import { compileMetric, defaultWrong } from "../custom-metric.js";
import { compileExpression, MAX_EXPRESSION_LENGTH } from "../expression.js";
import type { CustomMetric } from "../plan.js";
import type { Fields } from "./fields.js";

/** The entry's expression and what belongs to it; "wrong" after adding an error. */
export function readCustom(entry: Fields): CustomMetric | "wrong" | undefined {
  const { findings } = entry;
  const before = findings.errors;
  const expression = readExpression(entry, "expression");
  const when = readExpression(entry, "when");
  const higherIsBetter = entry.boolean("higher_is_better") ?? true;
  const wrong = entry.number("wrong");
  const unit = entry.text("unit", 20);
  if (!entry.has("expression")) {
    for (const key of ["when", "wrong", "higher_is_better", "unit"]) {
      if (entry.has(key)) findings.error(entry.path(key), `${key} without an expression`);
    }
    return findings.errors > before ? "wrong" : undefined;
  }
  if (expression === undefined || findings.errors > before) return "wrong";
  const parts = {
    expression,
    ...(when !== undefined && { when }),
    higherIsBetter,
    ...(unit !== undefined && { unit }),
  };
  const fallback = defaultWrong(compileMetric({ ...parts, wrong: 0 }).yesOrNo, higherIsBetter);
  const counted = wrong ?? fallback;
  if (counted === undefined) {
    const hint =
      "wrong: the value that a sample without an answer counts, such as the largest error there can be";
    findings.error(entry.path("wrong"), "a number where less is better needs one for failed samples", hint);
    return "wrong";
  }
  return { ...parts, wrong: counted };
}

function readExpression(entry: Fields, key: string): string | undefined {
  const text = entry.text(key, MAX_EXPRESSION_LENGTH);
  if (text === undefined) return undefined;
  const compiled = compileExpression(text);
  if (compiled.ok) return text;
  const where = `wrong at character ${compiled.at + 1}: ${compiled.message}`;
  entry.findings.error(entry.path(key), `the expression ${JSON.stringify(text)} is ${where}`);
  return undefined;
}

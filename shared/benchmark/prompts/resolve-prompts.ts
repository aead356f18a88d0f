/**
 * Prompt resolution: the ids and definitions of a suite become immutable prompt versions, each named by its hash.
 * What could fail later on every sample is tried here: templates and field expressions (patterns are, with the suite).
 */
import { compileExpression } from "../expression.js";
import { type Finding, FindingList, type LineOf } from "../finding.js";
import type { Sha256 } from "../json.js";
import type { PromptSpec } from "../plan.js";
import type { OwnPrompt, Suite, SuitePrompt } from "../suite/suite-types.js";
import { templateProblem } from "../template.js";
import { builtinPrompts } from "./builtin-prompts.js";
import type { PromptDef } from "./prompt-def.js";
import { promptHash } from "./prompt-hash.js";

/**
 * The prompts in suite order; those with errors are missing. `promptFiles` has the text of each prompt that stands in
 * a file, by prompt id; a prompt whose text is not there is left out without a finding, for whoever read the files has
 * said why.
 */
export function resolvePrompts(
  suite: Pick<Suite, "prompts">,
  promptFiles: ReadonlyMap<string, string>,
  sha256: Sha256,
  lineOf: LineOf = () => 0,
): { prompts: PromptSpec[]; findings: Finding[] } {
  const findings = new FindingList(lineOf);
  const prompts = suite.prompts.flatMap((entry) => {
    const def = entry.own ? ownDef(entry, entry.own, promptFiles) : builtin(entry, findings);
    if (!def) return [];
    if (entry.own && !isSound(entry.field, def, findings)) return [];
    return [{ ...def, sha256: promptHash(def, sha256) }];
  });
  return { prompts, findings: findings.all };
}

function builtin(entry: SuitePrompt, findings: FindingList): PromptDef | undefined {
  const def = builtinPrompts.get(entry.id);
  if (def) return def;
  const hint = findings.suggest(entry.id, builtinPrompts.keys());
  findings.error(
    entry.field,
    `there is no prompt ${JSON.stringify(entry.id)}`,
    hint || `define it with a template, or use one of ${[...builtinPrompts.keys()].join(", ")}`,
  );
  return undefined;
}

function ownDef(
  entry: SuitePrompt,
  own: OwnPrompt,
  files: ReadonlyMap<string, string>,
): PromptDef | undefined {
  const { file, template: inline, ...rest } = own;
  const template = file === undefined ? inline : files.get(entry.id);
  return template === undefined ? undefined : { id: entry.id, template, ...rest };
}

function isSound(field: string, prompt: PromptDef, findings: FindingList): boolean {
  const before = findings.errors;
  const problem = templateProblem(prompt.template);
  if (problem !== undefined) findings.error(`${field}.template`, `the template is wrong: ${problem}`);
  const systemProblem = prompt.system === undefined ? undefined : templateProblem(prompt.system);
  if (systemProblem !== undefined)
    findings.error(`${field}.system`, `the template is wrong: ${systemProblem}`);
  for (const [name, text] of Object.entries(prompt.fields)) {
    const compiled = compileExpression(text);
    if (compiled.ok) continue;
    findings.error(
      `${field}.fields.${name}`,
      `the expression ${JSON.stringify(text)} is wrong at character ${compiled.at + 1}: ${compiled.message}`,
    );
  }
  return findings.errors === before;
}

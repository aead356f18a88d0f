/**
 * From what an answer says to canonical fields (has_smoke, p_smoke, bbox, objects, total_objects, …). A prompt's
 * `fields` map each canonical name to an expression over the answer; the answer's own keys stay beside them. The
 * mapping has the last word: where it gives null the field is missing, even if the answer has a key of that name.
 */
import { type CompiledExpression, compileExpression } from "./expression.js";
import type { Json } from "./json.js";
import type { PromptSpec } from "./plan.js";

export type Fields = { [field: string]: Json };

/** `raw` is the answer as read; `vars` what expressions see beside it. `found`: at least one expected field is there. */
export function mapFields(prompt: PromptSpec, raw: Fields, vars: Fields): { fields: Fields; found: boolean } {
  const fields: Fields = { ...raw };
  for (const [field, run] of mappings(prompt)) {
    const value = run({ ...vars, ...raw });
    if (value === null) delete fields[field];
    else fields[field] = value;
  }
  const expected = expectedFields(prompt);
  return { fields, found: expected.length === 0 || expected.some((name) => has(fields, name)) };
}

/** Whether a prompt's answers can have a field: `unknown` when neither mapping nor schema tells. */
export function producesField(prompt: PromptSpec, field: string): "yes" | "no" | "unknown" {
  if (Object.hasOwn(prompt.fields, field)) return "yes";
  if (prompt.answer !== undefined || prompt.output === "text") return field === "answer" ? "yes" : "no";
  const properties = schemaProperties(prompt);
  if (properties.length === 0) return "unknown";
  return properties.includes(field) ? "yes" : "no";
}

/** The mapped fields and the properties of the output schema: at least one of them makes an answer. Each once. */
export function expectedFields(prompt: PromptSpec): string[] {
  return [...new Set([...Object.keys(prompt.fields), ...schemaProperties(prompt)])];
}

function schemaProperties(prompt: PromptSpec): string[] {
  const schema = prompt.outputSchema;
  if (schema === null || schema === undefined || typeof schema !== "object" || Array.isArray(schema))
    return [];
  const properties = schema["properties"];
  const isObject = properties !== null && typeof properties === "object" && !Array.isArray(properties);
  return isObject ? Object.keys(properties) : [];
}

const has = (fields: Fields, name: string): boolean =>
  Object.hasOwn(fields, name) && fields[name] !== null && fields[name] !== undefined;

type Mapping = [field: string, run: (CompiledExpression & { ok: true })["run"]];
const compiledMappings = new WeakMap<PromptSpec["fields"], Mapping[]>();

/** Compiled once per prompt. Validation refuses expressions that do not compile; here such a field is missing. */
function mappings(prompt: PromptSpec): Mapping[] {
  const known = compiledMappings.get(prompt.fields);
  if (known !== undefined) return known;
  const compiled = Object.entries(prompt.fields).map(([field, text]): Mapping => {
    const expression = compileExpression(text);
    return [field, expression.ok ? expression.run : () => null];
  });
  compiledMappings.set(prompt.fields, compiled);
  return compiled;
}

import type { AnswerSpec, OutputFormat } from "../plan.js";
import { idOf, readEntries } from "./entries.js";
import type { Fields } from "./fields.js";
import { isObject } from "./fields.js";
import type { OwnPrompt, SuitePrompt } from "./suite-types.js";

const OUTPUTS = ["text", "json", "lines"] as const;
const NORMALIZERS = ["trim", "lower", "collapse_spaces", "strip_punctuation", "strip_commas"] as const;
const ANSWER_TYPES = ["text", "number", "choice", "json"] as const;

/** Most patterns of one answer. */
const MAX_PATTERNS = 10;

/** `prompts`: ids of built-in prompts, and objects with a template or a file. */
export const readPrompts = (root: Fields): SuitePrompt[] =>
  readEntries(root, "prompts", (entry, field) => {
    if (typeof entry === "string") return { field, id: entry };
    const id = idOf(entry);
    if (id === undefined) return undefined;
    const own = readOwn(entry, id);
    return own ? { field, id, own } : { field, id };
  });

/** Undefined when the entry only names a built-in prompt. */
function readOwn(entry: Fields, id: string): OwnPrompt | undefined {
  const template = entry.text("template", 256 * 1024);
  const file = entry.text("file", 1_000);
  const answer = readAnswer(entry);
  const outputSchema = entry.raw("output_schema");
  const system = entry.text("system", 256 * 1024);
  const own: OwnPrompt = {
    name: entry.text("name") ?? id,
    description: entry.text("description") ?? "",
    version: entry.label("version") ?? "1",
    ...(template !== undefined && { template }),
    ...(file !== undefined && { file }),
    ...(system !== undefined && { system }),
    output: readOutput(entry, outputSchema !== undefined),
    ...(outputSchema !== undefined && { outputSchema }),
    fields: readFieldMap(entry),
    ...(answer && { answer }),
    tags: entry.texts("tags") ?? [],
    useCases: entry.texts("use_cases") ?? [],
  };
  if (template !== undefined || file !== undefined) {
    if (template !== undefined && file !== undefined) {
      entry.findings.error(`${entry.at}.file`, "a prompt has a template or a file, not both");
    }
    if (template?.trim() === "") entry.findings.error(`${entry.at}.template`, "the template is empty");
    return own;
  }
  const changed = entry
    .keys()
    .filter((key) => !["id", "name", "description", "template", "file"].includes(key));
  if (changed.length > 0) {
    entry.findings.error(
      entry.at,
      `${changed.join(", ")} without a template`,
      "give the prompt a template or a file",
    );
  }
  return undefined;
}

/** With a schema the answer is JSON unless the suite says otherwise; without, it is text. */
function readOutput(entry: Fields, hasSchema: boolean): OutputFormat {
  const given = entry.oneOf("output", OUTPUTS);
  const schema = entry.raw("output_schema");
  if (schema !== undefined && !isObject(schema)) {
    entry.findings.error(`${entry.at}.output_schema`, "expected a JSON Schema object");
  }
  return given ?? (hasSchema || entry.has("fields") ? "json" : "text");
}

function readFieldMap(entry: Fields): { [field: string]: string } {
  const map = entry.object("fields");
  const fields: { [field: string]: string } = {};
  for (const key of map?.keys() ?? []) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(key)) {
      entry.findings.error(map?.path(key) ?? "", `${JSON.stringify(key)} is no field name`);
    }
    const expression = map?.text(key, 2_000);
    if (expression !== undefined) fields[key] = expression;
  }
  return fields;
}

/** `answer` of a prompt or dataset: how the answer is taken out of the output text. */
export function readAnswer(entry: Fields): AnswerSpec | undefined {
  const answer = entry.object("answer");
  if (!answer) return undefined;
  const extract = answer.texts("extract") ?? [];
  if (extract.length > MAX_PATTERNS) {
    answer.findings.error(answer.path("extract"), `${extract.length} patterns; the limit is ${MAX_PATTERNS}`);
  }
  const normalize = (answer.texts("normalize") ?? ["trim"]).flatMap((name, index) => {
    const known = NORMALIZERS.find((normalizer) => normalizer === name);
    if (!known) {
      const field = `${answer.at}.normalize[${index}]`;
      answer.findings.error(
        field,
        `${JSON.stringify(name)} is not known`,
        `one of ${NORMALIZERS.join(", ")}`,
      );
    }
    return known ? [known] : [];
  });
  const type = answer.oneOf("type", ANSWER_TYPES) ?? "text";
  const choices = readChoices(answer, type);
  answer.close();
  return { extract, normalize, type, ...(choices && { choices }) };
}

function readChoices(answer: Fields, type: AnswerSpec["type"]): string[] | undefined {
  const choices = answer.texts("choices")?.map((choice) => choice.trim());
  if (choices === undefined) return undefined;
  const field = answer.path("choices");
  const { findings } = answer;
  if (type !== "choice") findings.error(field, `choices of an answer of type ${type}`, "type: choice");
  const different = new Set(choices.map((choice) => choice.toLowerCase()));
  if (different.has("") || choices.length < 2 || different.size < choices.length) {
    findings.error(field, "choices are two or more different texts; upper and lower case are the same");
  }
  return choices;
}

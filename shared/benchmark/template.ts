/**
 * Prompts become messages. Templates are Liquid with every door shut: no file lookup (`include`, `render` and `layout`
 * find nothing), unknown variables and filters are errors, and length, time and memory are limited. A template sees
 * `input`, `item` {id, level, group}, `images` [{name, width, height, mime}] and the item's own columns; it never sees
 * truth or target.
 *
 * An object has no text: where one would become `[object Object]`, by itself, in a list or through a filter, rendering
 * fails and names a field that could be meant.
 */
import { Liquid, type Template } from "liquidjs";
import type { Item, Shot } from "./item.js";
import type { Json } from "./json.js";
import type { PromptSpec } from "./plan.js";

export interface RenderedMessages {
  system?: string;
  user: string;
}

const liquid = new Liquid({
  templates: {},
  strictVariables: true,
  strictFilters: true,
  ownPropertyOnly: true,
  lenientIf: true,
  timezoneOffset: 0,
  parseLimit: 256 * 1024,
  renderLimit: 1_000,
  memoryLimit: 4 * 1024 * 1024,
});

/**
 * Most tags, outputs and texts one message may take. It counts steps, not time, so that a template is refused on every
 * machine or on none; the time limit above is only the last resort.
 */
const LIMITS = { templateLimit: 20_000 };

/** Compiled templates by their text; emptied when full, which costs only compiling them again. */
const compiled = new Map<string, Template[]>();
const MAX_COMPILED = 256;

/**
 * The messages for one item. Throws an Error whose message names the variable, filter or tag that is wrong and its
 * place in the template.
 */
export function renderMessages(
  prompt: Pick<PromptSpec, "template" | "system">,
  item: Item,
): RenderedMessages {
  const scope = templateScope(item);
  const question = String(liquid.renderSync(compile(prompt.template), scope, LIMITS));
  const user = [...(item.shots ?? []).map((shot) => example(prompt.template, shot)), question].join("\n\n");
  if (prompt.system === undefined) return { user };
  return { system: String(liquid.renderSync(compile(prompt.system), scope, LIMITS)), user };
}

/** A template by itself, for one item. Throws as above. */
export const renderTemplate = (template: string, item: Item): string =>
  String(liquid.renderSync(compile(template), templateScope(item), LIMITS));

/** The question of an example and its answer below. */
const example = (template: string, { answer, ...shown }: Shot): string =>
  `${renderTemplate(template, { id: "", media: [], ...shown })}\n${answer}`;

/** What is wrong with a template's syntax; undefined if nothing is. */
export function templateProblem(template: string): string | undefined {
  try {
    compile(template);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function compile(text: string): Template[] {
  const known = compiled.get(text);
  if (known) return known;
  const template = liquid.parse(text);
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  compiled.set(text, template);
  return template;
}

/** Names of `item.vars` never hide the reserved ones. */
function templateScope(item: Item): object {
  const images = item.media.map((media) =>
    media.kind === "image"
      ? { name: media.name, width: media.width, height: media.height, mime: media.mime }
      : { name: media.name },
  );
  const scope: { [name: string]: Json } = {
    ...item.vars,
    item: { id: item.id, ...(item.level && { level: item.level }), ...(item.group && { group: item.group }) },
    images,
    ...(item.input !== undefined && { input: item.input }),
  };
  return Object.fromEntries(Object.entries(scope).map(([name, value]) => [name, textless(value, name)]));
}

/** A copy whose objects, at any depth, throw when they are asked for their text. `name` leads to the value. */
function textless(value: Json, name: string): Json {
  if (Array.isArray(value)) return value.map((entry, i) => textless(entry, `${name}[${i}]`));
  if (typeof value !== "object" || value === null) return value;
  const copy: Textless = Object.create(TEXTLESS);
  copy[NAME] = name;
  for (const key of Object.keys(value)) copy[key] = textless(value[key] as Json, `${name}.${key}`);
  return copy as { [key: string]: Json };
}

/** No template reaches it: names in templates are texts. */
const NAME = Symbol("name");
type Textless = { [key: string]: Json; [NAME]?: string };

/** One prototype for all of them (a new one costs 4 µs), with none of its own: `__proto__` is a name like any other. */
const TEXTLESS = {
  __proto__: null,
  toString(this: Textless): never {
    const name = this[NAME];
    const [key] = Object.keys(this);
    throw new Error(`${name} is an object; use ${key === undefined ? "its fields" : `${name}.${key}`}`);
  },
};

import type { Json } from "../json.js";
import type { PromptSpec } from "../plan.js";

/** A prompt before it has its hash. */
export type PromptDef = Omit<PromptSpec, "sha256">;

/** An object schema that asks for every property and allows no others. */
export const strictObject = (properties: { [name: string]: Json }): Json => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** An object of counts, such as {"red": 2}. */
export const counts: Json = { type: "object", additionalProperties: { type: "integer", minimum: 0 } };
/** An object of texts, such as {"laptop": "large"}. */
export const texts: Json = { type: "object", additionalProperties: { type: "string" } };
export const listOf = (items: Json): Json => ({ type: "array", items });

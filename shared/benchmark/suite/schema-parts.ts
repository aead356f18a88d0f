/** Small words for JSON Schema, so that `schema.ts` reads like the language it describes. */
import type { Json } from "../json.js";

export type Schema = { [key: string]: Json };

export const ANY: Schema = {};
export const text = (description: string): Schema => ({ description, type: "string" });
export const bool = (description: string): Schema => ({ description, type: "boolean" });
export const whole = (description: string, minimum: number): Schema => ({
  description,
  type: "integer",
  minimum,
});
export const number = (description: string, minimum: number, maximum?: number): Schema => ({
  description,
  type: "number",
  minimum,
  ...(maximum !== undefined && { maximum }),
});
export const oneOf = (description: string, values: readonly string[]): Schema => ({
  description,
  enum: [...values],
});
export const listOf = (items: Schema): Schema => ({ type: "array", minItems: 1, items });
/** A list of texts, or one. */
export const texts = (description: string): Schema => ({
  description,
  oneOf: [{ type: "string" }, listOf({ type: "string" })],
});
export const ref = (name: string): Schema => ({ $ref: `#/definitions/${name}` });
/** An object that has these keys and no others. */
export const strict = (description: string, properties: { [name: string]: Schema }): Schema => ({
  ...(description !== "" && { description }),
  type: "object",
  additionalProperties: false,
  properties,
});

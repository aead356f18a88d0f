/**
 * Typed reading of one object of a suite. Each getter checks type and range, adds a finding with the field's path when
 * something is wrong, and remembers the key, so that `close` can report the keys nobody asked for with the nearest
 * known name.
 */
import type { FindingList } from "../finding.js";
import type { Json } from "../json.js";

export type JsonObject = { [key: string]: Json };

export interface NumberRange {
  min?: number;
  max?: number;
  /** The value must be greater than `min`, not equal. */
  above?: boolean;
  integer?: boolean;
}

/** Most entries of a list of prompts, models, datasets, metrics or texts. */
export const MAX_LIST = 200;

export class Fields {
  /** Path of this object; "" for the root. */
  readonly at: string;
  readonly findings: FindingList;
  private readonly value: JsonObject;
  private readonly known = new Set<string>();

  constructor(at: string, value: JsonObject, findings: FindingList) {
    this.at = at;
    this.value = value;
    this.findings = findings;
  }

  /** The path of a key of this object. */
  path(key: string): string {
    return this.at === "" ? key : `${this.at}.${key}`;
  }

  keys(): string[] {
    return Object.keys(this.value);
  }

  /** The value as it is; null counts as absent. */
  raw(key: string): Json | undefined {
    this.known.add(key);
    return this.has(key) ? this.value[key] : undefined;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.value, key) && this.value[key] !== null;
  }

  text(key: string, maxLength = 10_000): string | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string") return this.wrong(key, "a text", value);
    if (value.length > maxLength) {
      this.findings.error(this.path(key), `${value.length} characters; the limit is ${maxLength}`);
      return undefined;
    }
    return value;
  }

  /** A text, or a number as people write versions and dates. */
  label(key: string): string | undefined {
    const value = this.raw(key);
    return typeof value === "number" ? String(value) : this.text(key, 1_000);
  }

  /** A name of the form every id has. */
  name(key: string): string | undefined {
    const value = this.text(key);
    return value === undefined || checkName(this.path(key), value, this.findings) ? value : undefined;
  }

  oneOf<T extends string>(key: string, values: readonly T[]): T | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) {
      const hint = this.findings.suggest(value, values) || `one of ${values.join(", ")}`;
      this.findings.error(this.path(key), `${JSON.stringify(value)} is not known`, hint);
    }
    return found;
  }

  boolean(key: string): boolean | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === "boolean") return value;
    return this.wrong(key, "true or false", value);
  }

  number(key: string, range: NumberRange = {}): number | undefined {
    const value = this.raw(key);
    return value === undefined ? undefined : this.inRange(this.path(key), value, range);
  }

  /** A list; an empty one is an error, because it would make an empty matrix or mean nothing. */
  list(key: string, most = MAX_LIST): Json[] | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return this.wrong(key, "a list", value);
    if (value.length === 0) {
      this.findings.error(this.path(key), "the list is empty");
      return undefined;
    }
    if (value.length > most) {
      this.findings.error(this.path(key), `the list has ${value.length} entries; the limit is ${most}`);
      return undefined;
    }
    return value;
  }

  /** A list of texts; one text alone stands for a list of one. */
  texts(key: string): string[] | undefined {
    if (typeof this.raw(key) === "string") return [this.text(key) ?? ""];
    const list = this.list(key);
    if (!list) return undefined;
    return list.flatMap((value, index) => {
      if (typeof value === "string") return [value];
      this.findings.error(`${this.path(key)}[${index}]`, `expected a text, found ${kindOf(value)}`);
      return [];
    });
  }

  /** A list of numbers; one number alone stands for a list of one. Undefined as well when any of them is wrong. */
  numbers(key: string, range: NumberRange, most = MAX_LIST): number[] | undefined {
    const list = typeof this.raw(key) === "number" ? [this.raw(key) ?? 0] : this.list(key, most);
    const numbers = list?.flatMap((value, i) => this.inRange(`${this.path(key)}[${i}]`, value, range) ?? []);
    return numbers?.length === list?.length ? numbers : undefined;
  }

  object(key: string): Fields | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (!isObject(value)) return this.wrong(key, "an object", value);
    return new Fields(this.path(key), value, this.findings);
  }

  /** Marks keys as known that nothing is read from. */
  accept(...keys: string[]): void {
    for (const key of keys) this.known.add(key);
  }

  /** The keys that were asked for. */
  knownKeys(): string[] {
    return [...this.known];
  }

  /** Reports every key that is there and that nobody asked for. */
  close(): void {
    for (const key of this.keys()) {
      if (this.known.has(key)) continue;
      const hint = this.findings.suggest(key, this.known);
      this.findings.oddity(this.path(key), `unknown key ${JSON.stringify(key)}, not used`, hint);
    }
  }

  private inRange(field: string, value: Json, range: NumberRange): number | undefined {
    if (typeof value !== "number" || !Number.isFinite(value)) {
      this.findings.error(field, `expected a number, found ${kindOf(value)}`);
      return undefined;
    }
    const {
      min = Number.NEGATIVE_INFINITY,
      max = Number.POSITIVE_INFINITY,
      above = false,
      integer = false,
    } = range;
    const low = above ? value <= min : value < min;
    if (!low && value <= max && (!integer || Number.isSafeInteger(value))) return value;
    this.findings.error(field, `${value} is not allowed; it must be ${describe(range)}`);
    return undefined;
  }

  private wrong(key: string, expected: string, found: Json): undefined {
    this.findings.error(this.path(key), `expected ${expected}, found ${kindOf(found)}`);
  }
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value in the words of an error message. */
export function kindOf(value: Json): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  return String(value);
}

/** Names that objects have a meaning of their own for. */
const RESERVED = ["__proto__", "constructor", "prototype"];

/** Whether a name has the form every id has; otherwise an error. */
export function checkName(field: string, name: string, findings: FindingList): boolean {
  if (RESERVED.includes(name)) {
    findings.error(field, `${JSON.stringify(name)} cannot be a name`, "choose another one");
    return false;
  }
  if (name.split("/").includes("..")) {
    const hint = "a name is no path; leave the .. out";
    findings.error(field, `${JSON.stringify(name.slice(0, 60))} has .. as a part`, hint);
    return false;
  }
  if (/^[A-Za-z0-9._:/@-]{1,128}$/.test(name)) return true;
  findings.error(
    field,
    `${JSON.stringify(name.slice(0, 60))} is no name`,
    "names have 1 to 128 characters of A-Z a-z 0-9 . _ : / @ -",
  );
  return false;
}

function describe({ min, max, above, integer }: NumberRange): string {
  const kind = integer ? "a whole number" : "a number";
  const low = above ? `above ${min}` : `from ${min}`;
  if (min !== undefined && max !== undefined) return `${kind} ${low} to ${max}`;
  if (min !== undefined) return `${kind} ${low}`;
  return max === undefined ? kind : `${kind} up to ${max}`;
}

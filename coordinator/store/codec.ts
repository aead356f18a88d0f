/**
 * How typed values become bytes: JSON with a version `v`, so that a reader knows what it reads after an upgrade. Bigints
 * (revisions, fences' parts) travel as decimal strings; each value says which of its fields they are.
 */
import { SaiError } from "../../shared/runtime/errors.js";
import { ForeignVersion } from "../../shared/runtime/foreign-version.js";

export interface Codec<T> {
  encode(value: T): Uint8Array;
  /** Throws SaiError `internal` naming `key` when the bytes are no such value, ForeignVersion when it is of another. */
  decode(bytes: Uint8Array, key: string): T;
}

type Shape = Parameters<Turn>[0];
const asItIs: Turn = (fields) => fields;

/** Turns the fields of a value as another version has them into those of the one that is written. */
export type Turn = (fields: { readonly [field: string]: unknown }) => { readonly [field: string]: unknown };

/**
 * JSON, written in version `v`. `bigints` are the paths of bigint fields, such as `state.gate`; a path that is absent is
 * skipped. `others`: versions that are read as well, the one before and, so that releases can be mixed, the one to come
 * (ADR 0017).
 */
export function jsonCodec<T extends object>(
  v: number,
  bigints: readonly string[] = [],
  others: { readonly [v: number]: Turn } = {},
): Codec<T> {
  const read = [v, ...Object.keys(others).map(Number)].sort((a, b) => a - b);
  const paths = bigints.map((path) => path.split("."));
  return {
    encode(value) {
      const text = JSON.stringify(
        convert(value as Shape, paths, (x) => (typeof x === "bigint" ? x.toString() : x)),
      );
      // A text of its own in front, and one pool for small values: this runs for every record that is committed.
      return Buffer.from(text === "{}" ? `{"v":${v}}` : `{"v":${v},${text.slice(1)}`);
    },
    decode(bytes, key) {
      const { v: seen, ...rest } = parse(bytes, key);
      const turn = seen === v ? asItIs : typeof seen === "number" ? others[seen] : undefined;
      if (turn === undefined) {
        if (typeof seen !== "number") throw bad(key, "does not say its version");
        throw new ForeignVersion(`the value of ${key} in the state store`, seen, read);
      }
      return convert(turn(rest), paths, (x, path) => toBigint(x, path, key)) as T;
    },
  };
}

/** As `codec`, with the bytes of field `name` as they are, behind the JSON and a line's end; JSON has none itself. */
export function bytesBehind<T extends object>(codec: Codec<T>, name: string): Codec<T> {
  return {
    encode(value) {
      const bytes = (value as Shape)[name];
      if (!(bytes instanceof Uint8Array)) return codec.encode(value);
      const head = codec.encode({ ...value, [name]: undefined });
      const both = Buffer.allocUnsafe(head.length + 1 + bytes.length);
      both.set(head);
      both[head.length] = LINE_END;
      both.set(bytes, head.length + 1);
      return both;
    },
    decode(both, key) {
      const end = both.indexOf(LINE_END);
      if (end < 0) return codec.decode(both, key);
      return { ...codec.decode(both.subarray(0, end), key), [name]: both.subarray(end + 1) };
    },
  };
}
const LINE_END = 0x0a;

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function parse(bytes: Uint8Array, key: string): Shape {
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(bytes));
  } catch (cause) {
    throw bad(key, "is not JSON", cause);
  }
  if (!isShape(value)) throw bad(key, "is not a JSON object");
  return value;
}

const isShape = (value: unknown): value is Shape =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function toBigint(value: unknown, path: Path, key: string): bigint {
  if (typeof value !== "string" || !/^-?\d{1,40}$/.test(value)) {
    throw bad(key, `has no decimal string at ${path.join(".")}`);
  }
  return BigInt(value);
}

type Path = readonly string[];

function convert(shape: Shape, paths: readonly Path[], f: (x: unknown, path: Path) => unknown): Shape {
  let out = shape;
  for (const path of paths) out = at(out, path, 0, f);
  return out;
}

function at(shape: Shape, path: Path, depth: number, f: (x: unknown, path: Path) => unknown): Shape {
  const field = path[depth];
  if (field === undefined || !(field in shape)) return shape;
  const inner = shape[field];
  if (depth === path.length - 1) return { ...shape, [field]: f(inner, path) };
  return isShape(inner) ? { ...shape, [field]: at(inner, path, depth + 1, f) } : shape;
}

const bad = (key: string, what: string, cause?: unknown) =>
  new SaiError("internal", `the value of ${key} in the state store ${what}`, {
    hint: "the store is damaged, or something else writes there; delete nothing before you know",
    ...(cause === undefined ? {} : { cause }),
  });

/**
 * Items: what a dataset is made of once it is resolved. A dataset resolves to a manifest, JSON lines of `Item`, which
 * is an artifact named by its hash: text stands inline, media by hash. Agents see nothing of a dataset but this.
 */
import type { Json } from "./json.js";

/** One line of an item manifest. */
export interface Item {
  /** Unique within the dataset: the file's own id where it has one, else `<ordinal>`. */
  id: string;
  /** Text input; templates see it as `input`. Absent for picture-only items. */
  input?: string;
  /** Other columns of the source, which templates may name. */
  vars?: { [name: string]: Json };
  /** Pictures in order. */
  media: Media[];
  /** Structured truth as written in the source, e.g. {has_smoke, bbox} or {objects, total_objects, …}. */
  truth?: Json;
  /** The expected answer of text tasks, after `target.extract`. */
  target?: string;
  /** Slice by which tables are broken down, such as a difficulty. */
  level?: string;
  /** Items that show the same thing at several resolutions share a group (image id without a trailing `_<digits>`). */
  group?: string;
  /** Worked examples that stand before the question. */
  shots?: Shot[];
  /** Statistical unit; items of one cluster are not independent. Default: the item itself. */
  cluster?: string;
}

/** An example: what a template sees of it, and the answer as it is shown. */
export interface Shot {
  input?: string;
  vars?: { [name: string]: Json };
  answer: string;
}

/** A picture of an item, by hash; or why it is not there (its sample becomes `engine_error: media_missing`). */
export type Media =
  | {
      kind: "image";
      name: string;
      sha256: string;
      mime: string;
      bytes: number;
      width: number;
      height: number;
    }
  | { kind: "missing"; name: string; reason: string };

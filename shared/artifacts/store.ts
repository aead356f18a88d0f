/**
 * The artifact store: immutable blobs under keys, shared by the coordinator and its agents. `cas/sha256/<aa>/<hex>`
 * holds datasets, media and plans by their hash; `run/<campaign>/<job>/<shard>/<fence>/` holds what attempts wrote;
 * `cache/v1/<aa>/<hex>` is the response cache, which anybody may remove at any time.
 *
 * 1. A key is written once: the same bytes again are no error, other bytes are refused. Only where the key is a hash and
 *    other bytes are there, these are damaged, and whoever has the right ones replaces them.
 * 2. A reader sees a whole blob or none.
 * 3. What is read by hash is verified by hash.
 * 4. A store that does not work now (away, read-only, not mounted, credentials that are over) says unavailable, whatever
 *    was asked of it, and one that is full resource_exhausted: whoever can wait tries again.
 */
import { SaiError } from "../runtime/errors.js";
import { sha256 as hashOf } from "../runtime/hash.js";
import type { IncomingStore } from "./incoming.js";

export interface ArtifactStore {
  /** Where it is, for messages. */
  readonly location: string;
  /** Stores `data` under `key`, durably. Throws already_exists if the key holds other bytes. */
  put(key: string, data: Uint8Array): Promise<void>;
  /** The whole blob. Throws not_found. */
  get(key: string): Promise<Buffer>;
  /** Its size in bytes, or undefined if there is none. */
  size(key: string): Promise<number | undefined>;
  /** Removes a blob; none is no error. */
  remove(key: string): Promise<void>;
}

/** A store as it is opened (open.ts): what uploads, downloads, sweeps and people need besides. */
export interface Artifacts extends ArtifactStore, IncomingStore {
  /** A blob piece by piece, which costs no memory of its size; nothing is verified. Throws not_found. */
  read(key: string): AsyncGenerator<Uint8Array>;
  /** Keys that begin with `prefix`, in any order. */
  list(prefix: string): AsyncGenerator<string>;
  /** The same with size and age of each. */
  entries(prefix: string): AsyncGenerator<Entry>;
  /** Removes what uploads that were cut off left, when it is older than `olderThanMs`; answers how many. */
  removeLeftovers(olderThanMs: number): Promise<number>;
  /** A URL that anybody may read the blob with, without us, for `forS` seconds; undefined where the store has none. */
  link(key: string, forS: number): Promise<string | undefined>;
  /** Writes a blob, reads it back and removes it. What people should know of this store; throws what is wrong with it. */
  check(): Promise<string>;
  /** Lets go of connections and processes. */
  close(): Promise<void>;
}

/** A blob as it lies there. */
export interface Entry {
  key: string;
  bytes: number;
  /** When it was written, by the store's own clock, ms since 1970. */
  writtenMs: number;
}

/** Whether waiting may mend what a store said (invariant 4). */
export const isAway = (error: unknown): error is SaiError =>
  error instanceof SaiError && (error.code === "unavailable" || error.code === "resource_exhausted");

const KEY = /^[A-Za-z0-9._:@-]+(\/[A-Za-z0-9._:@-]+)*$/;

/** The key itself. Throws invalid_argument for one that is none, so that keys stay below the root of a store. */
export function checkedKey(key: string): string {
  if (!KEY.test(key) || key.split("/").some((part) => /^\.+$/.test(part))) {
    throw new SaiError("invalid_argument", `"${key.slice(0, 200)}" is not an artifact key`);
  }
  return key;
}

/** Whether a key is of a form that this store writes; where others may write too, nothing else is touched. */
export const isOwnKey = (key: string): boolean => OWN_KEY.test(key);

const OWN_KEY = new RegExp(
  [
    "^cas/sha256/[0-9a-f]{2}/[0-9a-f]{64}$",
    "^run/[^/]+/([^/]+/\\d+/\\d+\\.\\d+/records\\.jsonl|[^/]+/answers/\\d+\\.jsonl|summary\\.json)$",
    "^cache/v1/[0-9a-f]{2}/[0-9a-f]{64}$",
    "^probe/(check|condition)-[A-Za-z0-9]{16}$",
  ].join("|"),
);

/** Key of a blob that is named by its hash. */
export function casKey(sha256: string): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) {
    throw new SaiError("invalid_argument", `"${sha256.slice(0, 80)}" is not a SHA-256 in lower-case hex`);
  }
  return `cas/sha256/${sha256.slice(0, 2)}/${sha256}`;
}

/** Key of an attempt's records file. */
export const recordsKey = (campaign: string, job: string, shard: number, fence: string): string =>
  `run/${campaign}/${job}/${shard}/${fence}/records.jsonl`;

/** What the keys of the response cache begin with. */
export const RESPONSES = "cache/v1/";

/** Key of an answer in the response cache, by its `cache_key`. */
export const responseKey = (cacheKey: string): string => `${RESPONSES}${cacheKey.slice(0, 2)}/${cacheKey}`;

/** Stores a blob by its hash and returns the hash. */
export async function putCas(store: ArtifactStore, data: Uint8Array): Promise<string> {
  const sha256 = hashOf(data);
  await store.put(casKey(sha256), data);
  return sha256;
}

/** Reads a blob by its hash. Throws not_found, or internal if the store has other bytes under it. */
export const getCas = (store: ArtifactStore, sha256: string): Promise<Buffer> =>
  getVerified(store, casKey(sha256), sha256);

/** Reads a blob whose hash is known from elsewhere; twice, when the first answer was damaged on its way. */
export async function getVerified(store: ArtifactStore, key: string, sha256: string): Promise<Buffer> {
  let data = await store.get(key);
  if (hashOf(data) !== sha256) data = await store.get(key);
  const found = hashOf(data);
  if (found !== sha256) throw damaged(store.location, key, found, sha256);
  return data;
}

/** What a key should hold and does not. */
export const damaged = (location: string, key: string, found: string, expected: string): SaiError =>
  new SaiError("internal", `${key} in ${location} has SHA-256 ${found}, expected ${expected}`, {
    hint: "the blob was damaged or replaced; remove it and submit again",
  });

/**
 * The artifact store: immutable blobs under keys, shared by the coordinator and its agents. `cas/sha256/<aa>/<hex>`
 * holds datasets, media and plans by their hash; `run/<campaign>/<job>/<shard>/<fence>/` holds what attempts wrote.
 *
 * 1. A key is written once: the same bytes again are no error, other bytes are refused. Only where the key is a hash and
 *    other bytes are there, these are damaged, and whoever has the right ones replaces them.
 * 2. A reader sees a whole blob or none.
 * 3. What is read by hash is verified by hash.
 * 4. A store that does not work now (full, read-only, not mounted) says unavailable, whatever was asked of it.
 */
import { SaiError } from "../runtime/errors.js";
import { sha256 as hashOf } from "../runtime/hash.js";

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

/** Stores a blob by its hash and returns the hash. */
export async function putCas(store: ArtifactStore, data: Uint8Array): Promise<string> {
  const sha256 = hashOf(data);
  await store.put(casKey(sha256), data);
  return sha256;
}

/** Reads a blob by its hash. Throws not_found, or internal if the store has other bytes under it. */
export const getCas = (store: ArtifactStore, sha256: string): Promise<Buffer> =>
  getVerified(store, casKey(sha256), sha256);

/** Reads a blob whose hash is known from elsewhere. */
export async function getVerified(store: ArtifactStore, key: string, sha256: string): Promise<Buffer> {
  const data = await store.get(key);
  const found = hashOf(data);
  if (found !== sha256) {
    throw new SaiError("internal", `${key} in ${store.location} has SHA-256 ${found}, expected ${sha256}`, {
      hint: "the blob was damaged or replaced; remove it and submit again",
    });
  }
  return data;
}

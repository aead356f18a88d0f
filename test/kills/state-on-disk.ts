/**
 * What the coordinator's store holds, read from its LMDB file while the coordinator runs or after it has ended. Read
 * with this file's own eyes: nothing of the program's store code is used. The layout is in
 * coordinator/store/embedded/batch.ts.
 */
import { open } from "lmdb";
import { jsonOf, ROOT, type Value } from "../support/etcd-eyes.js";

const KEY_PREFIX = 2;
const RECORD_HEAD = 32;
/** Every key below `/sai/v1/`, without that, and its value. */
export async function readState(folder: string): Promise<Map<string, Value>> {
  const db = open<Buffer, Buffer>({
    path: folder,
    readOnly: true,
    encoding: "binary",
    keyEncoding: "binary",
  });
  try {
    const state = new Map<string, Value>();
    for (const { key, value } of db.getRange({ start: Buffer.from([KEY_PREFIX]) })) {
      const name = key.toString("utf8", 1);
      if (!name.startsWith(ROOT)) throw new Error(`the store has a key of nobody: ${name}`);
      state.set(name.slice(ROOT.length), jsonOf(value.subarray(RECORD_HEAD)));
    }
    return state;
  } finally {
    await db.close();
  }
}

/** Keys that begin with `prefix`, without it. */
export const below = (state: ReadonlyMap<string, Value>, prefix: string): [string, Value][] =>
  [...state].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : []));

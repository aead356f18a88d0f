/**
 * Snapshots of the memory store: JSON lines, first `{v, rev}`, then one line a key in order, last `{keys, sha256}`: how
 * many there are, and the hash of all bytes before that line, without which nothing is restored. Restoring begins far
 * above the snapshot's revision and forgets all history: fences are revisions, and a revision given out after the
 * snapshot was taken must never be given out again.
 */
import { createHash } from "node:crypto";
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { MemoryCoreOptions } from "./memory-core.js";
import { type KV, rev, type StateStore } from "./store.js";

/** More revisions than any store adds between a snapshot and the loss it is restored after. */
const RESTORE_BUMP = 1_000_000_000n;
/** Every key that does not begin with the last code point there is. */
const EVERYTHING = { from: "\0", to: "\u{10ffff}" };

interface Line {
  key: string;
  value: string;
  createRev: string;
  modRev: string;
  version: string;
}

interface End {
  keys: number;
  sha256: string;
}

/** All keys at one revision. Keys that hang on a lease are left out: their holder will not be there afterwards. */
export async function* writeSnapshot(store: StateStore): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  const hashed = (text: string) => {
    const bytes = Buffer.from(text);
    hash.update(bytes);
    return bytes;
  };
  let head = false;
  let keys = 0;
  for await (const page of store.list(EVERYTHING)) {
    if (!head) yield hashed(`${JSON.stringify({ v: 1, rev: String(page.rev) })}\n`);
    head = true;
    const lines = page.kvs
      .filter((kv) => kv.lease === undefined)
      .map((kv) => `${JSON.stringify(line(kv))}\n`);
    keys += lines.length;
    if (lines.length > 0) yield hashed(lines.join(""));
  }
  yield Buffer.from(`${JSON.stringify({ keys, sha256: hash.digest("hex") })}\n`);
}

const line = (kv: KV): Line => ({
  key: kv.key,
  value: Buffer.from(kv.value).toString("base64"),
  createRev: String(kv.createRev),
  modRev: String(kv.modRev),
  version: String(kv.version),
});

/** What a core is started with to be what the snapshot was. Throws SaiError `internal` for one that is not whole. */
export async function readSnapshot(
  chunks: AsyncIterable<Uint8Array>,
): Promise<NonNullable<MemoryCoreOptions["start"]>> {
  const bytes: Uint8Array[] = [];
  for await (const chunk of chunks) bytes.push(chunk);
  try {
    const all = Buffer.concat(bytes);
    const end = all.lastIndexOf("\n", -2) + 1;
    const body = all.subarray(0, end);
    const [first, ...rest] = body.toString("utf8").trimEnd().split("\n");
    const head = JSON.parse(first ?? "") as { v: unknown; rev: string };
    if (head.v !== 1) throw new Error(`its version is ${JSON.stringify(head.v)}, this program reads 1`);
    const { keys, sha256: hash } = JSON.parse(all.subarray(end).toString("utf8")) as Partial<End>;
    if (keys !== rest.length || hash !== sha256(body)) {
      throw new Error(
        `it has ${rest.length} keys where its last line says otherwise, or their bytes were changed`,
      );
    }
    const kvs = rest.map((text) => toKv(JSON.parse(text) as Line));
    return { rev: rev(BigInt(head.rev) + RESTORE_BUMP), kvs };
  } catch (cause) {
    throw new SaiError("internal", "the state store's snapshot cannot be read", {
      hint: "restore another snapshot; this one is damaged or from another program version",
      cause,
    });
  }
}

const toKv = (l: Line): KV => ({
  key: l.key,
  value: new Uint8Array(Buffer.from(l.value, "base64")),
  createRev: rev(BigInt(l.createRev)),
  modRev: rev(BigInt(l.modRev)),
  version: BigInt(l.version),
});

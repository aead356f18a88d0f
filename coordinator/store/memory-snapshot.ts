/**
 * Snapshots of the memory store: JSON lines, first `{v, rev}`, then one line a key in order. Restoring begins far above
 * the snapshot's revision and forgets all history: fences are revisions, and a revision given out after the snapshot
 * was taken must never be given out again.
 */
import { SaiError } from "../../shared/runtime/errors.js";
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

/** All keys at one revision. Keys that hang on a lease are left out: their holder will not be there afterwards. */
export async function* writeSnapshot(store: StateStore): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  let head = false;
  for await (const page of store.list(EVERYTHING)) {
    if (!head) yield encoder.encode(`${JSON.stringify({ v: 1, rev: String(page.rev) })}\n`);
    head = true;
    const lines = page.kvs
      .filter((kv) => kv.lease === undefined)
      .map((kv) => `${JSON.stringify(line(kv))}\n`);
    if (lines.length > 0) yield encoder.encode(lines.join(""));
  }
}

const line = (kv: KV): Line => ({
  key: kv.key,
  value: Buffer.from(kv.value).toString("base64"),
  createRev: String(kv.createRev),
  modRev: String(kv.modRev),
  version: String(kv.version),
});

/** What a core is started with to be what the snapshot was. Throws SaiError `internal` for anything else. */
export async function readSnapshot(
  chunks: AsyncIterable<Uint8Array>,
): Promise<NonNullable<MemoryCoreOptions["start"]>> {
  const bytes: Uint8Array[] = [];
  for await (const chunk of chunks) bytes.push(chunk);
  const [first, ...rest] = Buffer.concat(bytes).toString("utf8").split("\n");
  try {
    const head = JSON.parse(first ?? "") as { v: unknown; rev: string };
    if (head.v !== 1) throw new Error(`its version is ${JSON.stringify(head.v)}, this program reads 1`);
    const kvs = rest.filter((text) => text !== "").map((text) => toKv(JSON.parse(text) as Line));
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

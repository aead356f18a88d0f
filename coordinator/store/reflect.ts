/**
 * A live copy of some ranges: list them at one revision, then follow one watch over all of them. Whole revisions are
 * delivered together, because separate watches would show a sealed job without its done records.
 *
 * When the watch ends with Compacted or Lagged the ranges are listed again and the difference is delivered, deletions
 * included, so a consumer never learns that anything was missed. Consumers never watch by hand.
 */
import {
  isStoreError,
  type KV,
  type Range,
  type Rev,
  rev,
  type StateStore,
  type StoreEvent,
} from "./store.js";

export interface ReflectMsg {
  readonly rev: Rev;
  /** list: everything there is, as puts, first and once; watch: one revision; relist: what changed while unseen. */
  readonly source: "list" | "watch" | "relist";
  readonly events: readonly StoreEvent[];
}

/** Messages until `signal` aborts. Throws StoreError for anything but Compacted and Lagged. */
export async function* reflect(
  store: StateStore,
  ranges: Range[],
  o: { signal: AbortSignal },
): AsyncGenerator<ReflectMsg, void, undefined> {
  /** What the consumer knows: key → mod revision. */
  let known: Map<string, Rev> | undefined;
  while (!o.signal.aborted) {
    try {
      const listed = await listAll(store, ranges, o.signal);
      if (!known) yield { rev: listed.rev, source: "list", events: [...listed.kvs.values()].map(putEvent) };
      else {
        const events = difference(known, listed.kvs, listed.rev);
        if (events.length > 0) yield { rev: listed.rev, source: "relist", events };
      }
      known = new Map([...listed.kvs].map(([key, kv]) => [key, kv.modRev]));
      for await (const msg of store.watch(ranges, { fromRev: rev(listed.rev + 1n), signal: o.signal })) {
        for (const { type, kv } of msg.events) {
          if (type === "put") known.set(kv.key, kv.modRev);
          else known.delete(kv.key);
        }
        yield { rev: msg.rev, source: "watch", events: msg.events };
      }
    } catch (error) {
      if (o.signal.aborted) return;
      if (!isStoreError(error, "Compacted") && !isStoreError(error, "Lagged")) throw error;
    }
  }
}

const putEvent = (kv: KV): StoreEvent => ({ type: "put", kv });

/** All ranges at one revision: that of the first page of the first one. Each key once, where ranges overlap. */
export async function listAll(
  store: StateStore,
  ranges: Range[],
  signal: AbortSignal,
): Promise<{ rev: Rev; kvs: Map<string, KV> }> {
  const kvs = new Map<string, KV>();
  let at: Rev | undefined;
  for (const range of ranges) {
    for await (const page of store.list(range, { signal, ...(at === undefined ? {} : { atRev: at }) })) {
      at ??= page.rev;
      for (const kv of page.kvs) kvs.set(kv.key, kv);
    }
  }
  if (at === undefined) throw new RangeError("reflect needs at least one range");
  return { rev: at, kvs };
}

/** What leads from `known` to `now`: deletions first, then puts, keys in order. */
function difference(known: Map<string, Rev>, now: Map<string, KV>, at: Rev): StoreEvent[] {
  const events: StoreEvent[] = [];
  for (const key of known.keys()) {
    if (now.has(key)) continue;
    const kv: KV = { key, value: new Uint8Array(0), createRev: rev(0n), modRev: at, version: 0n };
    events.push({ type: "delete", kv });
  }
  for (const kv of now.values()) {
    if (known.get(kv.key) !== kv.modRev) events.push(putEvent(kv));
  }
  return events;
}

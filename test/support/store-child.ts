/**
 * A process of its own that opens an embedded store and does what its standard input says, one JSON line a command; each
 * answer is one JSON line. It is there to be stopped and killed.
 *
 * open {folder} · txn {puts, dels, bytes} · begin {key}: does not wait,
 * and says later what was acknowledged · list · usage · write {from, to}: transactions of three keys, one line for each that is acknowledged · hold {ttlMs}: a
 * lease with two keys · lead: leads through a fenced store · commit {key} · close
 */
import { createInterface } from "node:readline";
import { type EmbeddedStore, openEmbeddedStore } from "../../coordinator/store/embedded/embedded-store.js";
import { FencedStore } from "../../coordinator/store/fenced-store.js";
import type { Lease } from "../../coordinator/store/store.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";

const clock = systemClock;
const log = lineLogger((line) => process.stderr.write(line));
const say = (answer: object) =>
  process.stdout.write(`${JSON.stringify(answer, (_, x) => (typeof x === "bigint" ? String(x) : x))}\n`);
const value = (text: string) => new TextEncoder().encode(text);

let store: EmbeddedStore;
let lease: Lease;
let fenced: FencedStore;

const commands: { [name: string]: (o: never) => Promise<object> } = {
  async open(o: { folder: string; quotaBytes?: number }) {
    store = await openEmbeddedStore({ ...o, clock, random: systemRandom, log });
    return { opened: true };
  },
  async write({ from, to, bytes = 1 }: { from: number; to: number; bytes?: number }) {
    const one = async (i: number) => {
      const keys = ["a", "b", "c"].map((part) => `/t/${String(i).padStart(6, "0")}/${part}`);
      const answer = await store.txn({
        compare: keys.map((key) => ({ key, target: "create", op: "=", operand: 0n })),
        success: keys.map((key) => ({ put: { key, value: value(`${i}`.padEnd(bytes, " ")) } })),
      });
      say({ acked: i, rev: answer.rev });
    };
    let next = from;
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        while (next < to) await one(next++);
      }),
    );
    return { written: true };
  },
  async txn({ puts = [], dels = [], bytes = 1 }: { puts?: string[]; dels?: string[]; bytes?: number }) {
    const { rev } = await store.txn({
      compare: [],
      success: [
        ...puts.map((key) => ({ put: { key, value: new Uint8Array(bytes) } })),
        ...dels.map((key) => ({ del: { key } })),
      ],
    });
    return { rev };
  },
  async begin({ key }: { key: string }) {
    store.txn({ compare: [], success: [{ put: { key, value: value("x") } }] }).then(
      () => say({ acked: key }),
      (error: unknown) => say({ error: errorText(error) }),
    );
    return { begun: key };
  },
  async list() {
    const keys: string[] = [];
    for await (const page of store.list({ from: "/", to: "0" })) keys.push(...page.kvs.map((kv) => kv.key));
    return { keys };
  },
  async usage() {
    return store.usage();
  },
  async hold({ ttlMs }: { ttlMs: number }) {
    lease = await store.grantLease(ttlMs);
    const leased = ["/t/a", "/t/b"].map((key) => ({ put: { key, value: value("x"), lease: lease.id } }));
    const plain = { put: { key: "/t/c", value: value("x") } };
    const { rev } = await store.txn({ compare: [], success: [...leased, plain] });
    return { lease: lease.id, rev };
  },
  async lead({ ttlMs }: { ttlMs: number }) {
    const self = { replica: "child", nonce: "child", address: "child" };
    const answer = await FencedStore.acquire(store, self, { ttlMs, clock });
    if (answer.kind !== "acquired") throw new Error(answer.kind);
    fenced = answer.store;
    return { epoch: fenced.epoch };
  },
  async commit({ key }: { key: string }) {
    const before = { remainingMs: fenced.remainingMs(clock.nowMs()), lostBefore: fenced.lost.aborted };
    const answer = await fenced.commit({ ops: [{ put: { key, value: value("x") } }] });
    return { ...before, kind: answer.kind, lost: fenced.lost.aborted };
  },
  async close() {
    await store.close();
    return { closed: true };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...o } = JSON.parse(line) as { do: string };
  try {
    say((await commands[name]?.(o as never)) ?? {});
  } catch (error) {
    say({ error: errorText(error) });
  }
}

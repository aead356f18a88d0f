import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLogger } from "../../../shared/runtime/logger.js";
import { ManualClock, settle } from "../../../test/conformance/manual-clock.js";
import { SEED } from "../../../test/conformance/seeded.js";
import { type Outcome, ScriptedDisk } from "../../../test/support/scripted-disk.js";
import { MemoryCore } from "../memory-core.js";
import {
  type KV,
  type Op,
  prefix,
  rev,
  StoreError,
  type Txn,
  type TxnResult,
  type WatchMsg,
} from "../store.js";
import { GroupCommit } from "./group-commit.js";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (kv: KV | undefined) => (kv ? new TextDecoder().decode(kv.value) : undefined);
const put = (key: string, value = "x"): Op => ({ put: { key, value: bytes(value) } });
const del = (key: string): Op => ({ del: { key } });
const creating = (key: string, value = "x"): Txn => ({
  compare: [{ key, target: "create", op: "=", operand: 0n }],
  success: [put(key, value)],
});

function world() {
  const clock = new ManualClock();
  const core = new MemoryCore({ clock, holdBack: true });
  const disk = new ScriptedDisk({ rev: 1n, keys: 0, bytes: 0 });
  const broken: StoreError[] = [];
  const seen: WatchMsg[] = [];
  core.subscribe([prefix("/k/")], rev(2n), (msg) => seen.push(msg));
  const commits = new GroupCommit({
    ...{ core, disk, clock, folder: "/state", log: silentLogger() },
    onFailed: (error) => broken.push(error),
  });
  const txn = (t: Txn | Op[]) => {
    const answer = commits.run(() => core.txn(Array.isArray(t) ? { compare: [], success: t } : t));
    answer.catch(() => {});
    return answer;
  };
  /** What readers see, and what the next opening would find. */
  const shown = () => [...core.pin().range(prefix("/k/"))];
  const sound = () => {
    expect([...disk.kvs.values()].sort((a, b) => (a.key < b.key ? -1 : 1))).toEqual(
      shown().map((kv) => ({ ...kv, value: Buffer.from(kv.value) })),
    );
    const { keys, usedBytes } = core.state;
    if (core.rev === core.shown) expect(disk.head).toEqual({ rev: core.rev, keys, bytes: usedBytes });
  };
  return { clock, core, disk, commits, broken, seen, txn, shown, sound };
}
let w: ReturnType<typeof world>;
beforeEach(() => {
  w = world();
});
afterEach(() => {
  w.commits.stop();
  w.core.dispose();
  expect(w.clock.pendingTimers).toBe(0);
});

const isPending = async (promise: Promise<unknown>) => {
  let pending = true;
  promise.then(
    () => (pending = false),
    () => (pending = false),
  );
  await settle();
  return pending;
};
const detailOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "done",
    (error: unknown) => (error instanceof StoreError ? error.detail : error),
  );

test("an answer waits for the disk, and nobody sees before what may be lost", async () => {
  const first = w.txn([put("/k/a")]);
  const batch = await w.disk.batch();
  const loser = w.txn(creating("/k/a")); // its answer says that /k/a is there
  expect(await isPending(first)).toBe(true);
  expect(await isPending(loser)).toBe(true);
  expect([w.core.get("/k/a"), w.shown(), w.seen]).toEqual([undefined, [], []]);
  batch.end("took");
  expect((await first).rev).toBe(2n);
  expect(await loser).toMatchObject({ ok: false, rev: 2n });
  expect(w.seen.map((msg) => [msg.rev, msg.events.length])).toEqual([[2n, 1]]);
  w.sound();
});

test("what is changed while the disk is busy goes to it together, in order", async () => {
  const first = w.txn([put("/k/a", "1")]);
  const one = await w.disk.batch();
  const more = [w.txn([put("/k/a", "2")]), w.txn([put("/k/b")]), w.txn([del("/k/a")])];
  await settle();
  expect(w.disk.arrived).toBe(0);
  one.end("took");
  await first;
  for (const answer of more) expect(await isPending(answer)).toBe(true);
  const two = await w.disk.batch();
  expect(two.keys).toEqual(["/k/a", "/k/b", "/k/a"]);
  two.end("took");
  expect((await Promise.all(more)).map((answer) => answer.rev)).toEqual([3n, 4n, 5n]);
  expect(w.seen.map((msg) => msg.rev)).toEqual([2n, 3n, 4n, 5n]);
  w.sound();
});

test("a full disk refuses new keys, lets deletions and changes through, and is tried again by itself", async () => {
  const before = w.txn([put("/k/old", "1"), put("/k/gone")]);
  (await w.disk.batch()).end("took");
  await before;

  w.disk.room = false;
  const fresh = w.txn(creating("/k/new"));
  const batch = await w.disk.batch();
  const change = w.txn([put("/k/old", "2")]);
  const deletion = w.txn([del("/k/gone")]);
  const both = w.txn([put("/k/new2"), del("/k/gone")]);
  batch.end("full");
  expect(await detailOf(fresh)).toMatchObject({ kind: "NoSpace", disk: expect.stringContaining("/state") });
  expect(await detailOf(both)).toMatchObject({ kind: "NoSpace" });
  const again = await w.disk.batch();
  expect([again.keys, again.useReserve]).toEqual([["/k/old", "/k/gone"], true]);
  again.end("took");
  expect((await Promise.all([change, deletion])).map((answer) => answer.rev)).toEqual([3n, 4n]);
  w.sound();
  expect(await detailOf(w.txn(creating("/k/new")))).toMatchObject({ kind: "NoSpace" });

  await w.clock.advance(1_000);
  expect(await detailOf(w.txn(creating("/k/new")))).toMatchObject({ kind: "NoSpace" });
  w.disk.room = true;
  await w.clock.advance(1_000);
  const late = w.txn(creating("/k/new"));
  (await w.disk.batch()).end("took");
  expect(await late).toMatchObject({ ok: true, rev: 5n });
  w.sound();
});

test("a disk with no room even for deletions takes nothing and loses nothing", async () => {
  const before = w.txn([put("/k/a", "1")]);
  (await w.disk.batch()).end("took");
  await before;
  const deletion = w.txn([del("/k/a")]);
  (await w.disk.batch()).end("full");
  (await w.disk.batch()).end("full");
  expect(await detailOf(deletion)).toMatchObject({ kind: "NoSpace" });
  expect(w.shown().map(text)).toEqual(["1"]);
  w.sound();
});

test("a disk's fault: what was on its way is unknown, what waited is not done, and the next write works", async () => {
  const sent = w.txn([put("/k/a")]);
  const batch = await w.disk.batch();
  const waited = w.txn([put("/k/b")]);
  batch.end("broken");
  expect(await detailOf(sent)).toMatchObject({ kind: "OutcomeUnknown" });
  expect(await detailOf(waited)).toMatchObject({ kind: "Unavailable" });
  expect(w.shown()).toEqual([]);
  const next = w.txn([put("/k/c")]);
  (await w.disk.batch()).end("took");
  expect((await next).rev).toBe(2n);
  w.sound();
});

test("a failure that came when all was written counts as written", async () => {
  const sent = w.txn([put("/k/a")]);
  (await w.disk.batch()).end("late failure");
  expect((await sent).rev).toBe(2n);
  w.sound();
});

test.each([
  ["taken", "Unavailable"],
  ["dead", "OutcomeUnknown"],
] as const)("%s: nothing is written any more, and everybody is told", async (outcome, kind) => {
  const sent = w.txn([put("/k/a")]);
  (await w.disk.batch()).end(outcome);
  expect(await detailOf(sent)).toMatchObject({ kind });
  expect(await detailOf(w.txn([put("/k/b")]))).toMatchObject({ kind: "Unavailable" });
  expect([w.broken.length, w.disk.arrived, w.shown()]).toEqual([1, 0, []]);
});

test("a disk that does not answer leaves the outcome unknown after 5 s, and what it then takes is there", async () => {
  const sent = w.txn([put("/k/a")]);
  const batch = await w.disk.batch();
  await w.clock.advance(4_999);
  expect(await isPending(sent)).toBe(true);
  await w.clock.advance(1);
  expect(await detailOf(sent)).toMatchObject({ kind: "OutcomeUnknown" });
  const again = w.txn(creating("/k/a"));
  batch.end("took");
  expect(await again).toMatchObject({ ok: false });
  expect(w.shown()).toHaveLength(1);
  w.sound();
});

test("a revoked lease's keys go when the disk says so, also at the second try", async () => {
  const lease = w.core.grant(Number.POSITIVE_INFINITY);
  const held = w.txn([{ put: { key: "/k/a", value: bytes("x"), lease } }]);
  (await w.disk.batch()).end("took");
  await held;
  const revoke = () => w.commits.run(() => w.core.revoke(lease));
  const first = revoke();
  (await w.disk.batch()).end("broken");
  expect(await detailOf(first)).toMatchObject({ kind: "OutcomeUnknown" });
  expect(w.shown()).toHaveLength(1);
  const second = revoke();
  (await w.disk.batch()).end("took");
  await second;
  expect(w.shown()).toEqual([]);
  w.sound();
});

test("whatever a disk does: it holds what was answered, and readers see what it holds", async () => {
  const outcome = fc.oneof(
    { weight: 6, arbitrary: fc.constant<Outcome>("took") },
    fc.constantFrom<Outcome>("full", "broken", "late failure"),
  );
  const key = fc.nat(5).map((n) => `/k/${n}`);
  const change = fc.oneof(
    key.map((k) => (i: number) => creating(k, `${i}`)),
    key.map((k) => (i: number) => ({ compare: [], success: [put(k, `${i}`), put(`/k/by-${i}`)] })),
    key.map((k) => () => ({ compare: [], success: [del(k)] })),
  );
  const step = fc.oneof(
    { weight: 3, arbitrary: change.map((make) => ({ make })) },
    { weight: 2, arbitrary: outcome.map((ends) => ({ ends })) },
    fc.boolean().map((room) => ({ room })),
  );
  const run = async (steps: (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) => {
    const here = world();
    const answers: { i: number; t: Txn; answer: Promise<TxnResult> }[] = [];
    const finish = async (ends: Outcome) => {
      if (here.disk.arrived > 0) (await here.disk.batch()).end(ends);
      await settle();
      here.sound();
    };
    for (const [i, s] of steps.entries()) {
      if ("make" in s) answers.push({ i, t: s.make(i), answer: here.txn(s.make(i)) });
      else if ("ends" in s) await finish(s.ends);
      else {
        here.disk.room = s.room;
        await here.clock.advance(1_000);
      }
      if (i % 3 === 0) await settle();
    }
    do await finish("took");
    while (here.core.rev > here.core.shown || here.disk.arrived > 0);
    const written = new Map(here.seen.map((msg) => [msg.rev, msg]));
    for (const { i, answer } of answers) {
      const marked = here.seen.filter((msg) => msg.events.some((e) => e.kv.key === `/k/by-${i}`));
      const said = await answer.catch((error: StoreError) => error.detail.kind);
      if (typeof said === "string") {
        expect(["NoSpace", "Unavailable", "OutcomeUnknown"]).toContain(said);
        if (said !== "OutcomeUnknown") expect(marked).toEqual([]);
      } else if (marked.length > 0) expect(marked.map((msg) => msg.rev)).toEqual([said.rev]);
    }
    expect([...written.keys()]).toEqual([...written.keys()].map((_, n) => BigInt(n) + 2n));
    here.commits.stop();
    here.core.dispose();
  };
  console.info(`group commit: SEED=${SEED}`);
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), run), { seed: SEED, numRuns: 300 });
});

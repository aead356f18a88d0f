/** Items of the conformance list that etcd meets in its own way: connections are cut, servers killed and restored. */
import { execFileSync } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { expect } from "vitest";
import { EtcdStore } from "../../../coordinator/store/etcd/etcd-store.js";
import {
  isStoreError,
  prefix,
  type Rev,
  rev,
  type StateStore,
  type WatchMsg,
} from "../../../coordinator/store/store.js";
import { systemClock } from "../../../shared/runtime/clock.js";
import { SEED } from "../../conformance/seeded.js";
import { type EtcdCluster, startEtcd } from "../../support/etcd.js";
import { type Relay, startRelay } from "../../support/relay.js";

const ALL = prefix("/t/");
const clock = systemClock;
const urls = (cluster: EtcdCluster) => cluster.members.map(({ address }) => `http://${address}`);
const put = (key: string, value = "x") => ({ put: { key, value: Buffer.from(value) } });
const write = (s: StateStore, ...success: ReturnType<typeof put>[]) => s.txn({ compare: [], success });
const line = ({ rev: at, events }: WatchMsg) =>
  `${at} ${events.map((e) => `${e.type} ${e.kv.key} ${Buffer.from(e.kv.value)}`).join(", ")}`;

async function read(watch: AsyncIterable<WatchMsg>, n: number, onEach?: (count: number) => void) {
  const lines: string[] = [];
  for await (const msg of watch) {
    lines.push(line(msg));
    onEach?.(lines.length);
    if (lines.length === n) break;
  }
  return lines;
}

/** 10: 3,000 revisions are caught up with, and 200 more while they come, over connections that are cut all the time. */
export async function cutAnywhere(program: string, members: number): Promise<void> {
  const etcd = await startEtcd({ program, members });
  const relays = await Promise.all(etcd.members.map(({ address }) => startRelay(address)));
  const direct = new EtcdStore({ endpoints: urls(etcd), clock });
  const cut = new EtcdStore({ endpoints: relays.map(({ address }) => `http://${address}`), clock });
  const random = seeded(SEED);
  console.info(`cuts: SEED=${SEED}`);
  try {
    const from = rev((await direct.get("/t/a")).rev + 1n);
    const wrote: Promise<string>[] = [];
    const add = (i: number) => {
      const value = `${i}`.repeat(1 + (i % 50));
      const key = `/t/${i % 17}`;
      wrote.push(write(direct, put(key, value)).then(({ rev: at }) => `${at} put ${key} ${value}`));
    };
    for (let i = 0; i < 3_000; i++) {
      add(i);
      if (i % 100 === 99) await Promise.all(wrote);
    }
    await Promise.all(wrote);
    let next = 1;
    const watch = cut.watch([ALL], { fromRev: from, signal: new AbortController().signal });
    const got = read(watch, 3_200, (count) => {
      if (count >= 3_000 && count < 3_200 && wrote.length < 3_200) add(wrote.length);
      if (count !== next) return;
      for (const relay of relays) relay.cut();
      next = count + Math.ceil(random() * 150);
    });
    const lines = await got;
    const expected = (await Promise.all(wrote)).sort(
      (x, y) => Number.parseInt(x, 10) - Number.parseInt(y, 10),
    );
    expect(lines).toEqual(expected);
  } finally {
    await ended(etcd, relays, direct, cut);
  }
}

/** 20: what was acknowledged is there after every server was killed. */
export async function killedAfterTheAck(program: string, members: number): Promise<void> {
  const etcd = await startEtcd({ program, members });
  const store = new EtcdStore({ endpoints: urls(etcd), clock });
  try {
    for (let round = 0; round < 5; round++) {
      const { rev: at } = await write(store, put("/t/a", `${round}`));
      await Promise.all(etcd.members.map((member) => member.kill()));
      await Promise.all(etcd.members.map((member) => member.restart()));
      const { kv } = await again(() => store.get("/t/a"));
      expect([kv?.modRev, kv && Buffer.from(kv.value).toString()]).toEqual([at, `${round}`]);
    }
  } finally {
    await ended(etcd, [], store);
  }
}

/** 21: etcd's own snapshot, restored as the guide says; no revision is used twice. */
export async function restored(program: string, etcdutl: string, members: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sai-etcd-restored-"));
  const etcd = await startEtcd({ program, members });
  const store = new EtcdStore({ endpoints: urls(etcd), clock });
  try {
    await write(store, put("/t/a", "1"));
    await write(store, put("/t/a", "2"), put("/t/b"));
    const file = join(folder, "snapshot.db");
    await pipeline(store.snapshot(), createWriteStream(file));
    const { rev: later } = await write(store, put("/t/lost"));
    const data = join(folder, "data");
    const flags = ["--bump-revision", "1000000", "--mark-compacted", "--data-dir", data];
    execFileSync(etcdutl, ["snapshot", "restore", file, ...flags], { stdio: "pipe" });
    const other = await startEtcd({ program, data: [data], flags: ["--force-new-cluster"] });
    const again = new EtcdStore({ endpoints: urls(other), clock });
    try {
      const found: string[] = [];
      for await (const page of again.list(ALL))
        found.push(...page.kvs.map(({ key, value, version }) => `${key} ${Buffer.from(value)} ${version}`));
      expect(found).toEqual(["/t/a 2 2", "/t/b x 1"]);
      expect((await write(again, put("/t/c"))).rev).toBeGreaterThan(later);
      const old = read(again.watch([ALL], { fromRev: later, signal: new AbortController().signal }), 1);
      await expect(old).rejects.toMatchObject({ detail: { kind: "Compacted" } });
    } finally {
      await ended(other, [], again);
    }
  } finally {
    await ended(etcd, [], store);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** 24: the leader is killed under load: writes resume within 5 s, no event is lost or doubled. */
export async function leaderKilled(program: string, members: number): Promise<void> {
  const etcd = await startEtcd({ program, members });
  const store = new EtcdStore({ endpoints: urls(etcd), clock });
  try {
    const from = rev((await store.get("/t/a")).rev + 1n);
    const stop = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const msg of store.watch([ALL], { fromRev: from, signal: stop.signal }))
        seen.push(line(msg));
    })();
    const acked = new Map<string, Rev>();
    let longestMs = 0;
    let lastMs = clock.nowMs();
    const endMs = clock.nowMs() + 12_000;
    let killed = false;
    for (let i = 0; clock.nowMs() < endMs; i++) {
      if (i === 200 && !killed) {
        killed = true;
        await (await leaderOf(etcd)).kill();
      }
      try {
        acked.set(`/t/${i}`, (await write(store, put(`/t/${i}`))).rev);
        longestMs = Math.max(longestMs, clock.nowMs() - lastMs);
        lastMs = clock.nowMs();
      } catch (error) {
        if (!isStoreError(error, "OutcomeUnknown") && !isStoreError(error, "Unavailable")) throw error;
      }
    }
    const { rev: last } = await again(() => write(store, put("/t/last")));
    while (!seen.some((text) => text.startsWith(`${last} `))) await clock.sleep(20);
    stop.abort();
    await reading;
    console.info(
      `leader killed: longest gap between acknowledged writes ${Math.round(longestMs)} ms of ${acked.size}`,
    );
    expect(longestMs).toBeLessThan(5_000);
    const revisions = seen.map((text) => Number.parseInt(text, 10));
    expect(revisions).toEqual(revisions.map((_, i) => (revisions[0] ?? 0) + i)); // one put a revision: no gap, no double
    for (const [key, at] of acked) expect(seen).toContain(`${at} put ${key} x`);
  } finally {
    await ended(etcd, [], store);
  }
}

async function leaderOf(etcd: EtcdCluster) {
  for (const member of etcd.members) {
    const metrics = await (await fetch(`${member.metricsUrl}/metrics`)).text();
    if (/^etcd_server_is_leader 1$/m.test(metrics)) return member;
  }
  throw new Error("nobody leads");
}

/** Until it is answered; a cluster that just started has no leader yet. */
async function again<T>(call: () => Promise<T>): Promise<T> {
  for (const endMs = clock.nowMs() + 20_000; ; ) {
    try {
      return await call();
    } catch (error) {
      if (clock.nowMs() > endMs) throw error;
      await clock.sleep(100);
    }
  }
}

async function ended(etcd: EtcdCluster, relays: readonly Relay[], ...stores: EtcdStore[]): Promise<void> {
  for (const store of stores) await store.close();
  for (const relay of relays) await relay.close();
  await etcd.close();
}

/** Mulberry32. */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

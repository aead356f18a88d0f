/** Coordinators that do not read: an agent's memory stays within its bounds, and it dials again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { ShardResult } from "../../agent/attempt/assignment.js";
import { type AgentCore, startAgentCore } from "../../agent/core.js";
import { dialGrpc } from "../../agent/session/transport.js";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { type Clock, systemClock } from "../../shared/runtime/clock.js";
import { nodeDisk } from "../../shared/runtime/disk.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { startStubCoordinator } from "../support/stub-coordinator.js";
import { until } from "../support/until.js";

let core: AgentCore | undefined;
let folder = "";
const stubs: { close(): void }[] = [];
afterEach(async () => {
  await core?.stop();
  for (const stub of stubs.splice(0)) stub.close();
  await rm(folder, { recursive: true, force: true });
});

/** Timers run thirty times as fast, so that nobody waits half a minute. */
const hasty: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms / 30, run) };

/** An agent whose attempts cost nothing and have results of 1 KiB. */
async function agentOf(address: string) {
  folder = await mkdtemp(join(tmpdir(), "sai-slow-"));
  const logs: { msg: string; reason?: string }[] = [];
  const inline = Buffer.alloc(1024);
  let ran = 0;
  core = await startAgentCore({
    ...{ id: "n1", version: "1", disk: nodeDisk, dir: folder, dial: dialGrpc(), clock: hasty },
    artifacts: await openFolderStore(join(folder, "artifacts"), systemRandom),
    work: {
      run: async ({ fence, shard, gate }) => {
        ran += 1;
        const about = { fence, shard, gate, uri: "", sha256: "0".repeat(64), counts: { ok: 1 } };
        const result: ShardResult = { ...about, sizeBytes: inline.byteLength, inline };
        return { kind: "result", result };
      },
    },
    devices: [{ uuid: "cpu", lane: "cpu", slots: 4 }],
    inventory: () => ({ hash: "h", inventory: undefined }),
    loopLagMs: () => 0,
    random: systemRandom,
    log: lineLogger((line) => logs.push(JSON.parse(line))),
    options: {
      ...{ coordinatorAddress: address, reconnect: { baseMs: 20, capMs: 50 }, maxLoadedModels: 1 },
      ...{ journalSync: { ms: 1000, records: 64 }, spoolQuotaBytes: 256 * 1024 * 1024, drainTimeoutMs: 0 },
    },
  });
  return { logs, ran: () => ran };
}

test("a coordinator that stops reading and goes on giving work is hung up on; what piles up stays small", async () => {
  const stub = await startStubCoordinator();
  stubs.push(stub);
  const { logs, ran } = await agentOf(stub.address);
  const session = await stub.session(0);
  await session.welcome();
  // Work within the credits, until the lane's pace is known and the credits are many.
  await until("credits grow", () => {
    const totals = session.heard.flatMap((body) =>
      body.$case === "credit" ? [Number(body.value.total)] : [],
    );
    const offered = totals.at(-1) ?? 0;
    const given = session.bodies("accepted").flatMap(({ fences }) => fences).length;
    if (offered > given) session.assign(Math.min(offered - given, 100));
    return offered - given >= 900;
  });
  session.deafen();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 200; i += 1) session.assign(1000);
  await until("it is hung up on", () => logs.some(({ msg }) => msg === "hanging up"));
  expect(logs.find(({ msg }) => msg === "hanging up")?.reason).toMatch(/reads too slowly/);
  // 200,000 attempts were given; those that were offered have run, the others were refused and are gone.
  expect(core?.attempts.list().length).toBeLessThan(8_000);
  expect(ran()).toBeLessThan(20_000);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024);

  const next = await stub.session(1);
  await until("it says Hello again, with what nobody answered", () =>
    next.bodies("hello").some(({ held }) => held.length > 0),
  );
});

test("a coordinator that answers no heartbeat is hung up on, and dialled again", async () => {
  const stub = await startStubCoordinator();
  stubs.push(stub);
  const { logs } = await agentOf(stub.address);
  const session = await stub.session(0);
  await session.welcome({ lostAfterMs: 6000 });
  await until("it dials again", () => stub.sessions.length > 1);
  expect(session.bodies("heartbeat").length).toBeGreaterThan(2);
  expect(logs.find(({ msg }) => msg === "hanging up")?.reason).toContain("has answered nothing for 6000 ms");
});

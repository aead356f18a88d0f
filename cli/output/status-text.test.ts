import { expect, test } from "vitest";
import { GetStatusResponse } from "../client.js";
import { painter } from "./color.js";
import { brakeText, indexText, statusLines } from "./status-text.js";

const plain = painter(false);
const since = new Date("2026-01-31T12:00:00Z");
const status = (more: object = {}) =>
  GetStatusResponse.fromPartial({
    ...{ version: "0.1.0", clusterId: "u-u-i-d", epoch: "7", store: "embedded", leader: "127.0.0.1:50051" },
    ...{ startTime: since, uptimeS: 3725, nodesReady: 2, nodes: 3, campaignsActive: 1 },
    ...{ shardsPending: 40, shardsRunning: 4, storeUsedBytes: 3 * 1024 ** 2, storeQuotaBytes: 2 * 1024 ** 3 },
    ...more,
  });

test("one fact a line; what is ordinary is said in a word", () => {
  expect(statusLines(status(), plain)).toEqual([
    "version    0.1.0",
    "cluster    u-u-i-d",
    "leader     127.0.0.1:50051, epoch 7",
    "up         1 h 02 min, since 2026-01-31 12:00:00Z",
    "store      embedded, 3.00 MiB of 2.00 GiB used (0 %)",
    "brake      not engaged",
    "nodes      2 of 3 ready",
    "campaigns  1 active",
    "shards     40 pending, 4 on nodes",
    "commits    0 queued",
    "spool      empty: every result is acknowledged",
  ]);
});

test("what needs attention: the brake, a full store, what is held back, what is not acknowledged", () => {
  const brake = {
    ...{ engaged: true, causes: ["mass_loss"], message: "8 of 20 nodes were lost within 60 s", since },
    ends: "ends 5 min after the last loss",
  };
  const more = { brake, refusesCampaigns: "the state store is 81 % full", campaignsHeld: 2 };
  const lines = statusLines(status({ ...more, spoolResults: 1, spoolBytes: 2048 }), painter(true));
  expect(lines).toContain("refuses    \u001b[31mnew campaigns: the state store is 81 % full\u001b[0m");
  expect(lines.find((line) => line.startsWith("brake"))).toBe(
    "brake      \u001b[33mengaged since 2026-01-31 12:00:00Z: 8 of 20 nodes were lost within 60 s; ends 5 min after the last loss\u001b[0m",
  );
  expect(lines.join("\n")).toContain("1 active, 2 held back until the nodes known before the start");
  expect(lines.at(-1)).toBe("spool      1 result unacknowledged, 2.00 KiB");
});

test("a memory store has no quota; a brake without a sentence names its cause", () => {
  expect(statusLines(status({ store: "memory", storeQuotaBytes: 0 }), plain)).toContain(
    "store      memory, 3.00 MiB used",
  );
  const brake = { engaged: true, causes: ["loop_lag"], message: "", since: undefined, ends: "" };
  expect(brakeText(brake)).toBe("engaged: loop_lag");
});

test("the index: how far it is, and why it does not go on", () => {
  const index = (more: object) => {
    const { index: found } = GetStatusResponse.fromPartial({
      index: { database: "PostgreSQL 15.18", ...more },
    });
    return indexText(found, plain);
  };
  expect(index({ state: "current", behind: 0 })).toBe("PostgreSQL 15.18, up to date");
  expect(index({ state: "behind", behind: 1 })).toBe("PostgreSQL 15.18, 1 ended campaign behind");
  expect(index({ state: "behind", behind: 2, problem: "c-1: bad" })).toBe(
    "PostgreSQL 15.18, 2 ended campaigns behind: c-1: bad",
  );
  expect(index({ state: "building", building: 3, built: 4, toBuild: 9 })).toBe(
    "PostgreSQL 15.18, generation 3 is being built, 4 of 9 campaigns",
  );
  expect(index({ database: "", state: "away", behind: 2, problem: "no answer" })).toBe(
    "away, 2 ended campaigns behind: no answer",
  );
});

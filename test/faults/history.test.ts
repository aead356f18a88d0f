/** The history checker finds each wrong history that is planted here, and nothing in the right one. */
import { expect, test } from "vitest";
import type { Change } from "../support/etcd-eyes.js";
import type { Write } from "../support/etcd-tap.js";
import { runsOf } from "./check.js";
import { failures, type History, historyFaults, requeues } from "./history.js";

type Draft = { -readonly [name in keyof History]: History[name] } & {
  changes: Change[];
  writes: Write[];
};

const put = (rev: number, key: string, value = {}, createRev = rev, version = 1): Change => ({
  ...{ rev, kind: "put", key, value, createRev, version },
});
const gone = (rev: number, key: string): Change => ({
  ...{ rev, kind: "delete", key, value: undefined, createRev: 0, version: 0 },
});
const wrote = (by: string, rev: number, epoch: number, ...puts: string[]): Write => ({
  ...{ by, rev, epoch, acquires: false, puts, deletes: puts.length === 0 },
});
const leads = (by: string, rev: number): Write => ({
  ...{ by, rev, epoch: 0, acquires: true, puts: ["leader"], deletes: false },
});
const state = (kind: string) => ({ state: { kind } });
const span = (fence: string, fromNs: number, toNs: number) => ({
  ...{ agent: "a1", incarnation: "1", lane: "test", shard: `x/j/${fence}`, fence, fromNs, toNs },
});

/** One campaign of two shards under two leaders: c0 dies after the first result. */
function right(): Draft {
  const [first, second] = ["done/x/j/00000000", "done/x/j/00000001"];
  return {
    changes: [
      put(2, "leader", { address: "c0" }),
      put(3, "campaign/x", state("SUBMITTED")),
      put(4, "campaign/x", state("RUNNING"), 3, 2),
      put(4, "gate/x/j"),
      put(5, first, { fence: "2.1" }),
      gone(6, "leader"),
      put(7, "leader", { address: "c1" }),
      put(8, second, { fence: "2.2" }),
      gone(9, "gate/x/j"),
      put(9, "campaign/x", state("SEALING"), 3, 3),
      put(10, "job/x/j", { manifestSha256: "ab" }),
      gone(11, first),
      gone(11, second),
      put(12, "campaign/x", state("SUCCEEDED"), 3, 4),
    ],
    writes: [
      leads("c0", 2),
      wrote("c0", 3, 2, "campaign/x"),
      wrote("c0", 4, 2, "campaign/x", "gate/x/j"),
      wrote("c0", 5, 2, first),
      leads("c1", 7),
      wrote("c1", 8, 7, second),
      wrote("c1", 9, 7, "campaign/x"),
      wrote("c1", 10, 7, "job/x/j"),
      wrote("c1", 11, 7),
      wrote("c1", 12, 7, "campaign/x"),
    ],
    acknowledged: ["x"],
    counted: new Map([
      ["x/j/0", "2.1"],
      ["x/j/1", "2.2"],
    ]),
    events: [
      ...["campaign.submitted", "campaign.running", "shard.done"].map((kind, i) => said("2", i + 1, kind)),
      ...["shard.done", "campaign.succeeded"].map((kind, i) => said("7", i + 1, kind)),
    ],
    spans: [span("2.1", 0, 10), span("2.2", 10, 20)],
    slots: () => 1,
  };
}
const said = (epoch: string, seq: number, kind: string, campaign = "x") => ({
  ...{ epoch, seq, kind, campaign, job: "j", node: "a2", message: "shard 0 runs for 9 s" },
});

test("nothing is found in a right history", () => {
  expect(historyFaults(right())).toEqual([]);
});

const PLANTED: { [name: string]: [(h: Draft) => void, RegExp] } = {
  "an acknowledged submit that is not there": [
    (h) => {
      h.acknowledged = ["x", "y"];
    },
    /^campaign y was acknowledged/,
  ],
  "a campaign that is removed": [(h) => void h.changes.push(gone(13, "campaign/x")), /x was removed at 13/],
  "a done record over another": [
    (h) => void h.changes.splice(8, 0, put(8, "done/x/j/00000000", { fence: "7.1" }, 5, 2)),
    /j\/0 was written over at 8/,
  ],
  "a done record behind the closed gate": [
    (h) => void h.changes.splice(11, 0, put(10, "done/x/j/00000002", { fence: "2.3" })),
    /j\/2 was put at 10, with its job's gate closed/,
  ],
  "a done record that is removed too early": [
    (h) => void h.changes.splice(8, 0, gone(8, "done/x/j/00000000")),
    /j\/0 was removed at 8, before its job was sealed/,
  ],
  "another attempt counts than was committed": [
    (h) => {
      h.counted = new Map([["x/j/0", "7.9"]]);
    },
    /7\.9 counts for x\/j\/0, whose done record was of 2\.1/,
  ],
  "a write while nobody leads": [
    (h) => void h.changes.splice(6, 1),
    /j\/00000001 was modified at 8, while nobody led/,
  ],
  "an epoch that falls": [
    (h) => void h.changes.push(gone(13, "leader"), put(14, "leader", {}, 5)),
    /epoch 5 came after epoch 7/,
  ],
  "a write of the old leader under its old epoch": [
    (h) => {
      h.changes.splice(8, 0, put(8, "agent/a1"));
      h.writes.push(wrote("c0", 8, 2, "agent/a1"));
    },
    /c0 wrote agent\/a1 at 8 under epoch 2, while 7 led/,
  ],
  "a write that does not compare the leader": [
    (h) => void h.writes.push({ ...wrote("c0", 8, 7, "done/x/j/00000001"), epoch: undefined }),
    /c0 wrote .* without comparing the leader/,
  ],
  "a write under another's epoch": [
    (h) => void h.writes.push(wrote("c0", 8, 7, "done/x/j/00000001")),
    /c0 wrote .* under the epoch 7 of c1/,
  ],
  "a change that nobody asked for": [
    (h) => void h.changes.push(put(13, "agent/a1")),
    /nobody asked for the change of agent\/a1 at 13/,
  ],
  "a result of an epoch of nobody": [
    (h) => void h.changes.splice(7, 1, put(8, "done/x/j/00000001", { fence: "6.2" })),
    /is of 6\.2, an epoch of nobody/,
  ],
  "a result of a later epoch": [
    (h) => void h.changes.splice(4, 1, put(5, "done/x/j/00000000", { fence: "7.1" })),
    /of 7\.1 came before that epoch/,
  ],
  "a state that goes back": [
    (h) => void h.changes.push(put(13, "campaign/x", state("RUNNING"), 3, 5)),
    /campaign\/x went from SUCCEEDED to RUNNING at 13/,
  ],
  "events with a gap": [
    (h) => {
      h.events = h.events.filter(({ seq }) => seq !== 2);
    },
    /event 3 .* after 1/,
  ],
  "an event twice": [
    (h) => {
      h.events = h.events.flatMap((e) => (e.seq === 2 ? [e, e] : [e]));
    },
    /event 2 .* after 2/,
  ],
  "an event after the end": [
    (h) => {
      h.events = [...h.events, said("7", 3, "shard.done")];
    },
    /shard\.done of x came after its end/,
  ],
  "an exclusive device granted twice": [
    (h) => {
      h.spans = [span("2.1", 0, 10), span("2.2", 9, 20)];
    },
    /test of a1, start 1: 2 attempts at once of 1: 2\.1 .*, 2\.2/,
  ],
};

test.each(Object.entries(PLANTED))("found: %s", (_, [plant, what]) => {
  const history = right();
  plant(history);
  expect(
    historyFaults(history).some((fault) => what.test(fault)),
    historyFaults(history).join("\n"),
  ).toBe(true);
});

const run = (fence: string, agent: string, beganMs: number, lastMs: number, removedMs?: number) => ({
  ...{ shard: "x/j/0", fence, agent, beganMs, lastMs, removedMs },
});
const first = run("2.1", "a1", 0, 10);
const ofTwo = ["x/j/0 was run as 2.1 on a1 and 2.4 on a2"];

test("a shard that two attempts began is found, also one whose first attempt had recorded nothing", () => {
  expect(requeues([first], [], [])).toEqual([]);
  expect(requeues([first, run("2.4", "a2", 12, 20)], [], [])).toEqual(ofTwo);
});

test("a failed attempt may be followed by another, one of whose death there is evidence may not", () => {
  const runs = [first, run("2.4", "a2", 12, 20)];
  const failed = (more = {}) => put(5, "fail/x/j/00000000/2.1", { agent: "a1", ...more });
  expect(requeues(runs, [], [failed()])).toEqual([]);
  expect(requeues(runs, [], [failed({ wentOn: true })])).toEqual(ofTwo);
  expect(requeues(runs, [], [put(5, "fail/x/j/00000001/2.1")])).toEqual(ofTwo);
});

test("a stored failure is found whoever it names, but for what may fail", () => {
  const death = put(6, "fail/x/j/00000001/2.2", { agent: "a1", class: "poison", wentOn: true });
  const charged = put(5, "fail/x/j/00000000/2.1", { agent: "a1", class: "infra" });
  const found = [expect.stringMatching(/^an attempt failed: fail\/x\/j\/00000000\/2\.1 at 5, .*infra/)];
  expect(failures(["x"], [charged, death], ({ wentOn }) => wentOn === true)).toEqual(found);
  expect(failures(["x"], [charged, death], () => false)).toHaveLength(2);
  expect(failures(["y"], [charged, death], () => false)).toEqual([]);
});

test("a straggler may be run a second time, and must go on until one of the two is there", () => {
  const events = [said("2", 4, "shard.duplicated")];
  const done = (fence: string) => [put(6, "done/x/j/00000000", { fence })];
  const second = run("2.4", "a2", 5, 20, 21);
  const taken = [
    expect.stringMatching(/^x\/j\/0 was taken from 2\.1 on a1, which still ran, for 2\.4 on a2/),
  ];
  expect(requeues([run("2.1", "a1", 0, 18, 20), second], events, done("2.4"))).toEqual([]);
  expect(requeues([first, second], events, done("2.4"))).toEqual([]);
  expect(requeues([run("2.1", "a1", 0, 12, 14), second], events, done("2.1"))).toEqual([]);
  expect(requeues([run("2.1", "a1", 0, 4, 4), second], events, done("2.4"))).toEqual(taken);
  expect(requeues([run("2.1", "a1", 0, 10, 12), second], events, done("2.4"))).toEqual(taken);
  expect(requeues([first, second, run("2.5", "a3", 6, 9)], events, done("2.1"))).toHaveLength(1);
});

test("attempts are taken from journals by their first begin, and gone with their journal", () => {
  const about = { agent: "a1", campaign: "x", job: "j", shard: 0, ordinal: 0, name: "", incarnation: "1" };
  const line = (fence: string, kind: "attempt" | "begin" | "other", seenMs: number) => ({
    ...{ ...about, lane: "cpu", fromNs: 0, toNs: 0, fence, kind, seenMs },
  });
  const lines = [
    line("2.1", "attempt", 1),
    line("2.1", "begin", 2),
    line("2.1", "other", 5),
    line("2.2", "attempt", 6),
  ];
  const journals = { removedMs: ({ fence }: { fence: string }) => (fence === "2.1" ? 7 : undefined) };
  expect(runsOf({ journals }, lines)).toEqual([run("2.1", "a1", 2, 5, 7)]);
});

/** Every state × event of an attempt on its agent. */
import { expect, test } from "vitest";
import type { ShardFailure, ShardResult } from "./assignment.js";
import { failureOf, resultOf } from "./attempts.test-support.js";
import {
  type HeldEvent,
  type HeldEventKind,
  type HeldKind,
  type HeldState,
  transitionHeld,
} from "./held-state.js";

const result = resultOf(1);
const failure = failureOf(1);
const STATES: { [K in HeldKind]: HeldState<ShardResult, ShardFailure> & { kind: K } } = {
  INTERRUPTED: { kind: "INTERRUPTED" },
  ACCEPTED: { kind: "ACCEPTED", resumes: false },
  RUNNING: { kind: "RUNNING", sinceMs: 1, freed: false },
  SPOOLED: { kind: "SPOOLED", result },
  UPLOADED: { kind: "UPLOADED", result },
  FAILED: { kind: "FAILED", failure },
};
const EVENTS: { [K in HeldEventKind]: HeldEvent<ShardResult, ShardFailure> & { kind: K } } = {
  keep: { kind: "keep" },
  start: { kind: "start", nowMs: 5 },
  free: { kind: "free" },
  complete: { kind: "complete", result, stored: false },
  stored: { kind: "stored" },
  fail: { kind: "fail", failure },
  acknowledge: { kind: "acknowledge" },
  retract: { kind: "retract" },
  stop: { kind: "stop" },
};
const no = undefined;
const TABLE: { [K in HeldKind]: { [E in HeldEventKind]: HeldKind | "over" | undefined } } = {
  INTERRUPTED: {
    ...{ keep: "ACCEPTED", start: no, free: no, complete: "SPOOLED", stored: no },
    ...{ fail: "FAILED", acknowledge: no, retract: no, stop: "over" },
  },
  ACCEPTED: {
    ...{ keep: no, start: "RUNNING", free: no, complete: no, stored: no },
    ...{ fail: "FAILED", acknowledge: no, retract: "over", stop: "over" },
  },
  RUNNING: {
    ...{ keep: no, start: no, free: "RUNNING", complete: "SPOOLED", stored: no },
    ...{ fail: "FAILED", acknowledge: no, retract: no, stop: "over" },
  },
  SPOOLED: {
    ...{ keep: no, start: no, free: no, complete: no, stored: "UPLOADED" },
    ...{ fail: "FAILED", acknowledge: no, retract: no, stop: "over" },
  },
  UPLOADED: {
    ...{ keep: no, start: no, free: no, complete: no, stored: no },
    ...{ fail: no, acknowledge: "over", retract: no, stop: "over" },
  },
  FAILED: {
    ...{ keep: no, start: no, free: no, complete: no, stored: no },
    ...{ fail: no, acknowledge: "over", retract: no, stop: "over" },
  },
};

test.each(
  Object.values(STATES).flatMap((state) => Object.values(EVENTS).map((event) => ({ state, event }))),
)("$state.kind × $event.kind", ({ state, event }) => {
  const next = transitionHeld(state, event);
  expect(typeof next === "object" ? next.kind : next).toBe(TABLE[state.kind][event.kind]);
});

test("a stored result is uploaded at once; a device is given back once; what goes on is not given back", () => {
  expect(transitionHeld(STATES.RUNNING, { kind: "complete", result, stored: true })).toEqual(STATES.UPLOADED);
  const freed = transitionHeld(STATES.RUNNING, EVENTS.free);
  expect(freed).toEqual({ kind: "RUNNING", sinceMs: 1, freed: true });
  expect(typeof freed === "object" && transitionHeld(freed, EVENTS.free)).toBeUndefined();
  const kept = transitionHeld(STATES.INTERRUPTED, EVENTS.keep);
  expect(typeof kept === "object" && transitionHeld(kept, EVENTS.retract)).toBeUndefined();
});

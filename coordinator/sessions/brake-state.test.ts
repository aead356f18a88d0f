/** The brake's table: what engages it, what keeps it on, and what gives way. */
import { describe, expect, test } from "vitest";
import {
  BRAKE_LIMITS,
  type BrakeSigns,
  type BrakeState,
  brakeText,
  lookAtBrake,
  mayLose,
  overrule,
  RELEASED,
  spent,
} from "./brake-state.js";

const quiet: BrakeSigns = {
  nodes: 100,
  overdue: 0,
  recentlyLost: 0,
  loopLagMs: 0,
  storeAnswers: true,
  storeFull: false,
};
const S = 1000;

/** Looks once a second from `fromS` to `toS` with the same signs. */
function looks(state: BrakeState, signs: Partial<BrakeSigns>, fromS: number, toS: number): BrakeState {
  let now = state;
  for (let s = fromS; s <= toS; s += 1) now = lookAtBrake(now, { ...quiet, ...signs }, s * S);
  return now;
}

describe("engages", () => {
  test.each([
    ["nothing is wrong", {}, "released"],
    ["a fifth is silent", { overdue: 20 }, "released"],
    ["more than a fifth is silent", { overdue: 21 }, "engaged"],
    [
      "a fifth was lost already and one more is silent",
      { nodes: 80, recentlyLost: 20, overdue: 1 },
      "engaged",
    ],
    ["all of a small fleet are silent", { nodes: 4, overdue: 4 }, "released"],
    ["five of five are silent", { nodes: 5, overdue: 5 }, "engaged"],
    ["the loop was held up", { loopLagMs: 1001 }, "engaged"],
    ["the loop was a second late", { loopLagMs: 1000 }, "released"],
    ["the store does not answer", { storeAnswers: false }, "engaged"],
    ["the store is full", { storeAnswers: false, storeFull: true }, "engaged"],
  ])("%s: %j → %s", (_, signs, kind) => {
    expect(lookAtBrake(RELEASED, { ...quiet, ...signs }, 0).kind).toBe(kind);
  });
});

test("it holds for 60 s after its last cause is gone, whichever that was", () => {
  let state = looks(RELEASED, { storeAnswers: false }, 0, 10);
  state = looks(state, { loopLagMs: 2000 }, 11, 11);
  expect(looks(state, {}, 12, 70).kind).toBe("engaged");
  expect(looks(state, {}, 12, 71).kind).toBe("released");
});

test("nobody may be lost while it is on; everybody overdue when it is off", () => {
  expect(mayLose(RELEASED, 7)).toBe(7);
  expect(mayLose(looks(RELEASED, { overdue: 30 }, 0, 100), 30)).toBe(0);
});

test("loss alone gives way after 5 min, 5 % of the fleet a minute", () => {
  let state = looks(RELEASED, { overdue: 50 }, 0, 299);
  let lost = 0;
  for (let s = 300; s <= 480; s += 1) {
    state = lookAtBrake(state, { ...quiet, overdue: 50 - lost, nodes: 100 - lost }, s * S);
    const n = mayLose(state, 50 - lost);
    lost += n;
    state = spent(state, n);
  }
  expect(lost).toBeGreaterThanOrEqual(12);
  expect(lost).toBeLessThanOrEqual(16); // three minutes of at most 5 each, and rounding
});

test("a small fleet that lost all gives way too, one node a minute", () => {
  let state = looks(RELEASED, { nodes: 5, overdue: 5 }, 0, 299);
  state = looks(state, { nodes: 5, overdue: 5 }, 300, 361);
  expect(mayLose(state, 5)).toBe(1);
});

test("with another cause beside the loss nothing gives way", () => {
  let state = looks(RELEASED, { overdue: 50 }, 0, 400);
  expect(mayLose(state, 50)).toBeGreaterThan(0);
  state = looks(state, { overdue: 50, storeAnswers: false }, 401, 401);
  expect(mayLose(looks(state, { overdue: 50 }, 402, 450), 50)).toBe(0);
});

test("an operator's release lasts until the causes have been gone once", () => {
  let state = looks(overrule(), { overdue: 50 }, 0, 100);
  expect(mayLose(state, 50)).toBe(50);
  state = looks(state, {}, 101, 101);
  expect(lookAtBrake(state, { ...quiet, overdue: 50 }, 102 * S).kind).toBe("engaged");
});

test("it says why", () => {
  expect(brakeText(RELEASED)).toBe("");
  expect(brakeText(lookAtBrake(RELEASED, { ...quiet, storeAnswers: false }, 0))).toMatch(
    /state store.*no node/,
  );
  const full = { ...quiet, storeAnswers: false, storeFull: true };
  expect(brakeText(lookAtBrake(RELEASED, full, 0))).toMatch(/^the state store is full: no node/);
  expect(BRAKE_LIMITS.lossMin).toBe(5);
});

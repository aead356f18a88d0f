/** Admission of a fleet that comes back at once. */
import { expect, test } from "vitest";
import { admit, openAdmission } from "./admission-state.js";

/** Everybody comes at 0 and again when its turn is; the ms when each was let in. */
function comeBack(agents: number, perSecond: number): number[] {
  let state = openAdmission(perSecond, 0);
  const due = Array.from({ length: agents }, () => 0);
  const admitted: number[] = [];
  while (due.length > 0) {
    due.sort((a, b) => a - b);
    const nowMs = due.shift() ?? 0;
    const turn = admit(state, perSecond, nowMs);
    state = turn.state;
    if (turn.waitMs === 0) admitted.push(nowMs);
    else due.push(nowMs + turn.waitMs);
  }
  return admitted;
}

test("the first second's worth comes in at once, the others in their turn, each told once", () => {
  const admitted = comeBack(5000, 300);
  expect(admitted).toHaveLength(5000);
  for (const fromMs of [1, 1000, 5000, 10_000]) {
    const inASecond = admitted.filter((ms) => fromMs <= ms && ms < fromMs + 1000).length;
    expect(inASecond).toBeLessThanOrEqual(303);
  }
  // (5000 − 300) / 300 s, and little more.
  expect(Math.max(...admitted)).toBeLessThan(17_500);
});

test("a quiet time refills, to one second's worth", () => {
  let state = openAdmission(10, 0);
  for (let i = 0; i < 10; i += 1) state = admit(state, 10, 0).state;
  expect(admit(state, 10, 0).waitMs).toBeGreaterThan(0);
  let later = 0;
  for (let i = 0; i < 20; i += 1) {
    const turn = admit(state, 10, 60_000);
    state = turn.state;
    if (turn.waitMs === 0) later += 1;
  }
  expect(later).toBe(10);
});

import { expect, test } from "vitest";
import { type ErrorCode, SaiError } from "../shared/runtime/errors.js";
import { captureIo, testContext } from "./cli.test-support.js";
import { persist, reconnecting } from "./reconnect.js";

const error = (code: ErrorCode) => new SaiError(code, "scripted");
/** A clock on which pauses take no time; what it was asked for is kept. */
function quickClock() {
  let nowMs = 0;
  const slept: number[] = [];
  const { io, err } = captureIo();
  const clock = {
    ...io.clock,
    nowMs: () => nowMs,
    sleep: async (ms: number) => {
      slept.push(ms);
      nowMs += ms;
    },
  };
  return { context: testContext({ ...io, clock }).context, slept, err };
}

test("asks again with growing pauses until it is answered, and says so once each", async () => {
  const { context, slept, err } = quickClock();
  let asked = 0;
  const answer = await persist(context, "asking again", async () => {
    asked += 1;
    if (asked < 8) throw error(asked % 2 === 0 ? "unavailable" : "deadline_exceeded");
    return asked;
  });
  expect(answer).toBe(8);
  expect(slept).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
  expect(err()).toBe("the coordinator does not answer; asking again\nthe coordinator answers again\n");
});

test.each<ErrorCode>([
  "not_found",
  "failed_precondition",
  "invalid_argument",
  "already_exists",
])("%s is final", async (code) => {
  const { context, slept, err } = quickClock();
  const ask = persist(context, "asking again", () => Promise.reject(error(code)));
  await expect(ask).rejects.toMatchObject({ code });
  expect([slept, err()]).toEqual([[], ""]);
});

test("patience ends: the last error is the answer", async () => {
  const { context, slept } = quickClock();
  const ask = persist(context, "asking again", () => Promise.reject(error("unavailable")), 3_000);
  await expect(ask).rejects.toMatchObject({ code: "unavailable" });
  expect(slept).toEqual([250, 500, 1000, 2000]);
});

test("a stream that was read too slowly is opened again; an interrupt ends it all", async () => {
  const interrupt = new AbortController();
  const { io } = captureIo({ interrupt: interrupt.signal });
  const again = reconnecting(testContext(io).context, "still watching");
  const slow = error("resource_exhausted");
  const paused = again.failed(slow);
  interrupt.abort(new Error("interrupted by SIGINT"));
  await expect(paused).rejects.toBe(slow);
});

test("after an answer the next failure is told anew, and pauses begin short again", async () => {
  const { context, slept, err } = quickClock();
  const again = reconnecting(context, "still watching");
  await again.failed(error("unavailable"));
  await again.failed(error("unavailable"));
  again.answered();
  again.answered();
  await again.failed(error("unavailable"));
  expect(slept).toEqual([250, 500, 250]);
  expect(err().match(/does not answer/g)).toHaveLength(2);
  expect(err().match(/answers again/g)).toHaveLength(1);
});

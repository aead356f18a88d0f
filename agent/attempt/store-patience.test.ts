import { expect, test } from "vitest";
import { SaiError } from "../../shared/runtime/errors.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { whenAvailable } from "./store-patience.js";

const clock = new ManualClock();
const parts = { clock, random: systemRandom, log: silentLogger() };

test("what is away is asked for again, anything else is not", async () => {
  let asked = 0;
  const answer = whenAvailable(parts, new AbortController().signal, async () => {
    asked += 1;
    if (asked < 3) throw new SaiError("unavailable", "away");
    return "here";
  });
  for (let i = 0; i < 3; i += 1) await clock.advance(60_000);
  expect([await answer, asked]).toEqual(["here", 3]);
  const never = whenAvailable(parts, new AbortController().signal, async () => {
    throw new SaiError("not_found", "no such blob");
  });
  await expect(never).rejects.toThrow("no such blob");
});

test("the signal ends the waiting, for the next try and for one that hangs", async () => {
  const stop = new AbortController();
  const away = whenAvailable(parts, stop.signal, async () => {
    throw new SaiError("unavailable", "away");
  });
  const hangs = whenAvailable(parts, stop.signal, () => new Promise(() => {}));
  const ends = Promise.all([away, hangs].map((one) => expect(one).rejects.toThrow("over")));
  await clock.advance(1);
  stop.abort(new Error("over"));
  await ends;
});

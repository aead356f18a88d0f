import { seededRandom } from "../../shared/benchmark/seeded.js";
import { systemClock } from "../../shared/runtime/clock.js";

const TICK_MS = 1;

/**
 * Moments of a Poisson process, ns of the machine's monotonic clock: each turn gives those that have come since the one
 * before. A moment is the intended one: what a busy event loop adds to it is part of what its shard waits.
 */
export async function* arrivals(o: {
  ratePerS: number;
  seconds: number;
  seed: number;
}): AsyncGenerator<number[]> {
  const draw = seededRandom(o.seed);
  const gapNs = () => (-Math.log(1 - draw()) / o.ratePerS) * 1e9;
  const startNs = Number(process.hrtime.bigint());
  const endNs = startNs + o.seconds * 1e9;
  let atNs = startNs + gapNs();
  while (atNs < endNs) {
    const nowNs = Number(process.hrtime.bigint());
    const due: number[] = [];
    for (; atNs <= nowNs && atNs < endNs; atNs += gapNs()) due.push(Math.round(atNs));
    if (due.length > 0) yield due;
    await systemClock.sleep(TICK_MS);
  }
}

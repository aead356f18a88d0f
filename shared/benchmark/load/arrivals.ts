/** When the requests of an open loop are due: pure, and the same for the same seed. */
import { seededRandom } from "../seeded.js";
import { type LoadSpec, MOST_REQUESTS } from "./load-spec.js";

/** Of a dataset's item: when it is due in a trace, s after the beginning. */
export const ARRIVAL_COLUMN = "at_s";

/**
 * Times of a window's arrivals, ms after its beginning, ascending; `trace`: times of the dataset's items, in s. Each lies
 * within the window. At most MOST_REQUESTS.
 */
export function arrivals(load: LoadSpec, window: number, trace: readonly number[] = []): number[] {
  const { kind, value, durationMs, seed } = load;
  switch (kind) {
    case "concurrency":
      return [];
    case "constant":
      return upTo(durationMs, (i) => (i * 1000) / value);
    case "poisson":
    case "sweep": {
      const random = seededRandom(seed + window);
      let at = 0;
      // The time between two arrivals is exponential; 1 − u is never 0.
      return upTo(durationMs, () => {
        at -= (Math.log(1 - random()) * 1000) / value;
        return at;
      });
    }
    case "trace":
      return upTo(durationMs, (i) => ((trace[i] ?? Number.POSITIVE_INFINITY) * 1000) / value);
  }
}

function upTo(endMs: number, next: (i: number) => number): number[] {
  const times: number[] = [];
  for (let i = 0; i < MOST_REQUESTS; i++) {
    const at = next(i);
    if (!(at < endMs)) break;
    times.push(at);
  }
  return times;
}

import { monitorEventLoopDelay } from "node:perf_hooks";

/** How late this process's event loop was: the maximum since the last question, in ms. */
export interface LoopLag {
  maxMs(): number;
  stop(): void;
}

const RESOLUTION_MS = 20;

export function watchLoopLag(): LoopLag {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return {
    maxMs() {
      // The histogram counts whole intervals; what exceeds one interval is lateness.
      const ms = Math.max(0, histogram.max / 1e6 - RESOLUTION_MS);
      histogram.reset();
      return Number.isFinite(ms) ? ms : 0;
    },
    stop: () => void histogram.disable(),
  };
}

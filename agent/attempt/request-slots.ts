/**
 * How many samples of one job run at once on this agent (`max_concurrent_requests`), over all its attempts. Waiting is
 * first come, first served.
 */
export class RequestSlots {
  private readonly jobs = new Map<string, { used: number; waiting: (() => void)[] }>();

  /** Runs `work` in a slot of the job. Rejects with the signal's reason while waiting. */
  async with<T>(job: string, limit: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.enter(job, limit, signal);
    try {
      return await work();
    } finally {
      this.leave(job);
    }
  }

  /** Samples of a job that wait. */
  waiting(job: string): number {
    return this.jobs.get(job)?.waiting.length ?? 0;
  }

  private async enter(job: string, limit: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const state = this.jobs.get(job) ?? { used: 0, waiting: [] };
    this.jobs.set(job, state);
    if (state.used < limit) {
      state.used += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const go = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const stop = () => {
        state.waiting.splice(state.waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      state.waiting.push(go);
      signal.addEventListener("abort", stop, { once: true });
    });
  }

  private leave(job: string): void {
    const state = this.jobs.get(job);
    if (state === undefined) return;
    const next = state.waiting.shift();
    if (next) next();
    else state.used -= 1;
    if (state.used === 0) this.jobs.delete(job);
  }
}

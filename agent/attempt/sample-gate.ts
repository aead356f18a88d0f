/**
 * Who may run a sample on this agent now. Samples run side by side, except suspects: what may kill its engine, or this
 * process, runs alone, so that the next death names it.
 *
 * 1. While a suspect runs, no other sample of any attempt does.
 * 2. First come, first served: a suspect waits for those that run and goes before those that come after it.
 */
export class SampleGate {
  private running = 0;
  private solo = false;
  private readonly waiting: { alone: boolean; go(): void }[] = [];

  /** Runs `work` when its turn has come; `alone` for a suspect. Rejects with the signal's reason while waiting. */
  async with<T>(alone: boolean, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.waiting.length > 0 || this.solo || (alone && this.running > 0)) await this.turn(alone, signal);
    else this.enter(alone);
    try {
      return await work();
    } finally {
      this.running -= 1;
      this.solo = false;
      this.letIn();
    }
  }

  private enter(alone: boolean): void {
    this.running += 1;
    this.solo = alone;
  }

  private turn(alone: boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const entry = {
        alone,
        go: () => {
          signal.removeEventListener("abort", stop);
          resolve();
        },
      };
      const stop = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(signal.reason);
        this.letIn();
      };
      signal.addEventListener("abort", stop, { once: true });
      this.waiting.push(entry);
    });
  }

  private letIn(): void {
    for (;;) {
      const [next] = this.waiting;
      if (next === undefined || this.solo || (next.alone && this.running > 0)) return;
      this.waiting.shift();
      this.enter(next.alone);
      next.go();
    }
  }
}

/**
 * Virtual time: a binary heap of events ordered by (time, sequence). One event runs, then everything it set off in
 * this process runs to its end (promises, ticks), and only then time moves on to the next event.
 *
 * 1. Two events of one time run in the order they were made.
 * 2. Nothing under simulation waits for the real world: when the event loop has drained, all that is left is in here.
 */

export interface TimedEvent {
  readonly atUs: number;
  readonly seq: number;
  /** Undefined once it has run or was cancelled. */
  run: (() => void) | undefined;
}

/** Events that run one after another in one phase of the event loop: each costs 0.2 µs instead of 0.8 µs of loop. */
const BATCH = 32;

export class VirtualTime {
  /** Microseconds since the schedule began; an integer. */
  nowUs = 0;
  /** Events that have run. */
  events = 0;
  private seq = 0;
  private readonly heap: TimedEvent[] = [];

  get nowMs(): number {
    return this.nowUs / 1000;
  }

  /** Runs `run` in `ms`, never earlier; a time in the past is now. */
  in(ms: number, run: () => void): TimedEvent {
    const event = { atUs: this.nowUs + Math.max(0, Math.ceil(ms * 1000)), seq: this.seq++, run };
    this.push(event);
    return event;
  }

  cancel(event: TimedEvent): void {
    event.run = undefined;
  }

  /** Runs events until `done` says so (asked after each) or none is left; resolves when the event loop has drained. */
  async run(done: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let waiting = 0;
      let over = false;
      const turn = () => {
        waiting -= 1;
        if (!over) {
          try {
            // Asked first: what the last event set off has happened by now.
            over = done() || !this.step();
          } catch (error) {
            over = true;
            reject(error);
          }
        }
        if (waiting > 0) return;
        if (over) resolve();
        else fill();
      };
      const fill = () => {
        for (; waiting < BATCH; waiting++) setImmediate(turn);
      };
      fill();
    });
  }

  /** Runs the next event; false when there is none. */
  private step(): boolean {
    for (;;) {
      const event = this.pop();
      if (event === undefined) return false;
      const { run } = event;
      if (run === undefined) continue;
      event.run = undefined;
      this.nowUs = event.atUs;
      this.events += 1;
      run();
      return true;
    }
  }

  private push(event: TimedEvent): void {
    const heap = this.heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as TimedEvent;
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  private pop(): TimedEvent | undefined {
    const heap = this.heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child =
        right < heap.length && before(heap[right] as TimedEvent, heap[left] as TimedEvent) ? right : left;
      const next = heap[child] as TimedEvent;
      if (!before(next, last)) break;
      heap[at] = next;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const before = (a: TimedEvent, b: TimedEvent): boolean =>
  a.atUs < b.atUs || (a.atUs === b.atUs && a.seq < b.seq);

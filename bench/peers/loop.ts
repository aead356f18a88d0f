/**
 * What a client of every system does: it keeps a number of tasks outstanding, and when one is acknowledged it submits
 * the next. Programs of other languages do the same (programs/loop.py).
 *
 * 1. A task is its number, padded to 100 bytes. It comes back as it went, or as what its client says it expects.
 * 2. The time of a task runs from before its submit to its acknowledgement; those acknowledged in the window count.
 * 3. At the end of a cell no more are submitted and the outstanding ones are waited for: what does not come is lost.
 */
export const TASK_BYTES = 100;
/** Of a task's end: so much of it fits into a record of a sample (1 KiB), which is what comes back on ours. */
const ANSWER_BYTES = 32;

/** What a cell came to at its client. */
export interface CellResult {
  /** Acknowledged in the window, and how long it was. */
  tasks: number;
  windowS: number;
  p50Ms: number;
  p99Ms: number;
  /** Since the client began, in all its cells. */
  submitted: number;
  acknowledged: number;
  acknowledgedTwice: number;
  /** Came back as something else. */
  wrong: number;
}

/** When a task was submitted and acknowledged, s of the wall clock. */
export type Span = readonly [submittedS: number, acknowledgedS: number];

export const payloadOf = (id: number): string => String(id).padStart(TASK_BYTES, "0");
/** What a worker of ours gives back of a task. */
export const answerTo = (payload: string): string => payload.slice(-ANSWER_BYTES);

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;
const wallS = (): number => (performance.timeOrigin + performance.now()) / 1000;
const DRAIN_MS = 10_000;

export class Loop {
  private readonly startedMs = new Map<number, number>();
  private readonly submittedS = new Map<number, number>();
  private spans: Span[] | undefined;
  private next = 0;
  private acknowledged = 0;
  private acknowledgedTwice = 0;
  private wrong = 0;
  private ending = true;
  private window: { startMs: number; latenciesMs: number[] } | undefined;
  private drained: () => void = () => {};

  /** `submit` hands a task in; whoever hears of its end calls `done` with what came back, which is to be `expected`. */
  constructor(
    private readonly submit: (id: number, payload: string) => Promise<unknown>,
    private readonly expected: (id: number) => string = payloadOf,
  ) {}

  /** Begins a cell; with `spans` the times of each task are kept. */
  begin(outstanding: number, spans = false): void {
    this.ending = false;
    this.spans = spans ? [] : undefined;
    for (let i = 0; i < outstanding; i++) this.one();
  }

  /** Warm-up is over. */
  startWindow(): void {
    this.window = { startMs: nowMs(), latenciesMs: [] };
  }

  /** Ends the window and the cell. */
  async end(): Promise<CellResult & { spans?: Span[] }> {
    const { startMs, latenciesMs } = this.window ?? { startMs: nowMs(), latenciesMs: [] };
    const windowS = (nowMs() - startMs) / 1000;
    this.window = undefined;
    this.ending = true;
    if (this.startedMs.size > 0)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, DRAIN_MS);
        this.drained = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    latenciesMs.sort((a, b) => a - b);
    const at = (q: number) => latenciesMs[Math.floor(q * (latenciesMs.length - 1))] ?? Number.NaN;
    return {
      ...{ tasks: latenciesMs.length, windowS, p50Ms: at(0.5), p99Ms: at(0.99), submitted: this.next },
      ...{ acknowledged: this.acknowledged, acknowledgedTwice: this.acknowledgedTwice, wrong: this.wrong },
      ...(this.spans ? { spans: this.spans } : {}),
    };
  }

  done(id: number, cameBack: string): void {
    const startMs = this.startedMs.get(id);
    if (startMs === undefined) {
      this.acknowledgedTwice += 1;
      return;
    }
    this.startedMs.delete(id);
    this.acknowledged += 1;
    if (cameBack !== this.expected(id)) this.wrong += 1;
    this.window?.latenciesMs.push(nowMs() - startMs);
    if (this.spans) {
      this.spans.push([this.submittedS.get(id) ?? 0, wallS()]);
      this.submittedS.delete(id);
    }
    if (!this.ending) this.one();
    else if (this.startedMs.size === 0) this.drained();
  }

  private one(): void {
    const id = this.next++;
    this.startedMs.set(id, nowMs());
    if (this.spans) this.submittedS.set(id, wallS());
    this.submit(id, payloadOf(id)).catch((error: unknown) => {
      process.stderr.write(`task ${id} could not be submitted: ${error}\n`);
      process.exit(1);
    });
  }
}

/**
 * Tasks by the names that the system gives them, such as a row's id. What comes back is of the task of that name, whatever
 * it says of itself; its end may be heard of before the answer to its submit, which has the name.
 */
export class Named {
  private readonly ids = new Map<string, number>();
  private readonly early = new Map<string, string[]>();

  constructor(private readonly done: (id: number, cameBack: string) => void) {}

  /** The system has given the task this name. */
  submitted(name: string, id: number): void {
    this.ids.set(name, id); // kept, so that a second end is known
    const early = this.early.get(name) ?? [];
    this.early.delete(name);
    for (const cameBack of early) this.done(id, cameBack);
  }

  /** The task of this name has come to its end. */
  ended(name: string, cameBack: string): void {
    const id = this.ids.get(name);
    if (id !== undefined) this.done(id, cameBack);
    else this.early.set(name, [...(this.early.get(name) ?? []), cameBack]);
  }
}

/** The questions a client answers about its loop. */
export const loopQuestions = (loop: () => Loop) => ({
  async begin({ outstanding, spans }: { outstanding: number; spans: boolean }): Promise<void> {
    loop().begin(outstanding, spans);
  },
  async window(_: object): Promise<void> {
    loop().startWindow();
  },
  end: (_: object): Promise<CellResult & { spans?: Span[] }> => loop().end(),
});
export type LoopQuestions = ReturnType<typeof loopQuestions>;

/** What a worker ran: how many tasks, and how many different ones. */
export class Executed {
  private counts = new Uint8Array(1 << 16);
  private executed = 0;
  private distinct = 0;

  add(id: number): void {
    while (id >= this.counts.length) {
      const more = new Uint8Array(this.counts.length * 2);
      more.set(this.counts);
      this.counts = more;
    }
    this.executed += 1;
    if (this.counts[id] === 0) this.distinct += 1;
    this.counts[id] = 1;
  }

  get counted(): Counts {
    return { executed: this.executed, distinct: this.distinct };
  }
}

export interface Counts {
  executed: number;
  distinct: number;
}

export interface CountQuestions {
  [name: string]: (about: never) => Promise<unknown>;
  counts(about: object): Promise<Counts>;
}

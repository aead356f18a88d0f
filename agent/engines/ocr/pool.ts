/**
 * The recogniser processes of one prepared model. One process a recognition in flight, so that a death or an abort
 * touches one sample; they are started as demand grows, up to a limit, and again after a death, with a growing pause
 * so that a machine on which they always die is not kept busy with starting them.
 */
import type { Clock } from "../../../shared/runtime/clock.js";
import { EngineError } from "../engine.js";
import type { RecognizerSettings } from "./messages.js";
import { Recognizer } from "./recognizer.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

export class RecognizerPool {
  private readonly all = new Set<Recognizer>();
  private readonly idle: Recognizer[] = [];
  private readonly waiting: (() => void)[] = [];
  private readonly closing = new AbortController();
  private readonly starts = new Set<Promise<unknown>>();
  private deathsInARow = 0;
  private notBeforeMs = 0;
  private inUse = 0;

  constructor(
    private readonly settings: RecognizerSettings,
    private readonly where: string,
    private readonly limit: number,
    private readonly clock: Clock,
  ) {}

  /** Process ids of the living, for those who must see them gone. */
  pids(): number[] {
    return [...this.all].flatMap((r) => (r.alive && r.pid !== undefined ? [r.pid] : []));
  }

  /** Lends a ready recogniser to `use`, and takes it back. */
  async with<T>(signal: AbortSignal, use: (recognizer: Recognizer) => Promise<T>): Promise<T> {
    await this.slot(signal);
    let recognizer: Recognizer | undefined;
    try {
      recognizer = this.living() ?? (await this.started(signal));
      const result = await use(recognizer);
      this.deathsInARow = 0;
      return result;
    } catch (error) {
      if (error instanceof EngineError && (error.class === "child_died" || error.class.startsWith("load_"))) {
        const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.deathsInARow++);
        this.notBeforeMs = this.clock.nowMs() + pause;
      }
      throw error;
    } finally {
      if (recognizer?.alive) this.idle.push(recognizer);
      else if (recognizer) this.all.delete(recognizer);
      this.inUse--;
      this.waiting.shift()?.();
    }
  }

  /** Kills every process; resolves when they are gone. */
  async close(): Promise<void> {
    this.closing.abort(new EngineError("engine", "unloaded", `${this.where}: was unloaded`));
    await Promise.allSettled(this.starts);
    await Promise.all([...this.all].map((r) => r.kill()));
    this.all.clear();
  }

  /** Waits for one of `limit` turns, first come first served. */
  private async slot(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.closing.signal.throwIfAborted();
    if (this.inUse >= this.limit) {
      await new Promise<void>((resolve, reject) => {
        const turn = () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
        const onAbort = () => {
          this.waiting.splice(this.waiting.indexOf(turn), 1);
          reject(signal.reason);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        this.waiting.push(turn);
      });
    }
    this.inUse++;
  }

  private living(): Recognizer | undefined {
    for (let next = this.idle.pop(); next !== undefined; next = this.idle.pop()) {
      if (next.alive) return next;
      this.all.delete(next);
    }
    return undefined;
  }

  private async started(signal: AbortSignal): Promise<Recognizer> {
    const stop = AbortSignal.any([signal, this.closing.signal]);
    const pauseMs = this.notBeforeMs - this.clock.nowMs();
    if (pauseMs > 0) await this.clock.sleep(pauseMs, stop);
    const start = Recognizer.start(this.settings, this.where, this.clock, stop);
    this.starts.add(start);
    try {
      const recognizer = await start;
      this.all.add(recognizer);
      return recognizer;
    } finally {
      this.starts.delete(start);
    }
  }
}

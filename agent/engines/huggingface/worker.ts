/**
 * One Python worker, seen from its owner: started with one model, asked one thing at a time, ended.
 *
 * 1. Times of events are of this process's clock, taken when the line arrives.
 * 2. An abort ends one answer and leaves the worker. The next request waits until the worker has let go; one that does not
 *    within `LET_GO_MS` is killed.
 * 3. When the process ends by itself, whoever waits for it hears of a death, or that it ran out of memory, with its last
 *    words; so does whoever asks it later. Only a new worker helps.
 */
import type { Clock } from "../../../shared/runtime/clock.js";
import { redactor } from "../../../shared/runtime/redact.js";
import type { Processes, Program, ProgramEnd, RunningProgram } from "../../processes/processes.js";
import { EngineError } from "../engine.js";
import { endingError, tooLateError } from "../server/ending.js";
import { unlessAborted } from "../unless-aborted.js";
import { deferred } from "./deferred.js";
import { lineReader } from "./lines.js";
import {
  type FromWorker,
  type GenerateRequest,
  type Loaded,
  type LoadRequest,
  readEvent,
  type ToWorker,
  WORKER_PROTOCOL,
} from "./messages.js";
import { Turns } from "./turns.js";

export interface WorkerParts {
  processes: Pick<Processes, "start">;
  clock: Clock;
}

export interface WorkerPlan {
  /** Its name is used in messages. */
  program: Omit<Program, "talks">;
  load: LoadRequest;
  /** From its start until the model is loaded, ms. */
  loadTimeoutMs: number;
  /** Values that must not be told, wherever it says them. */
  secrets: readonly string[];
}

/** An event of the worker, and when it arrived. */
type Arrived = FromWorker & { tNs: number };
export type AnswerEvent =
  | { event: "sent"; tNs: number }
  | Extract<Arrived, { event: "token" }>
  | Extract<Arrived, { event: "done" }>;

/** How long a worker has to let go of an aborted answer, ms: the reading of a long prompt cannot be interrupted. */
const LET_GO_MS = 30_000;
const QUOTED_CHARS = 1_500;

export class Worker {
  private readonly admitted = new Turns();
  private readonly turns = new Turns();
  /** Resolves when no aborted answer is waited for. */
  private idle: Promise<void> = Promise.resolve();
  private listener: ((event: Arrived) => void) | undefined;
  private requests = 0;
  /** Why it cannot be asked any more. */
  private over: EngineError | undefined;
  /** Told when it is over. Not a promise: racing one that stays open keeps something of every race. */
  private readonly onOver = new Set<(error: EngineError) => void>();
  private isLoaded = false;

  private constructor(
    private readonly plan: WorkerPlan,
    private readonly running: RunningProgram,
    private readonly clock: Clock,
  ) {
    running.stdio.stdin?.on("error", () => {}); // its end tells why
    running.stdio.stdout?.on(
      "data",
      lineReader(
        (line) => this.heard(line),
        () => this.broken("a line without an end"),
      ),
    );
    void running.ended.then((end) => this.fail(this.endError(end)));
  }

  /**
   * Starts a worker and loads the model. Throws EngineError, or the signal's reason; then nothing is left of it. `loadNs`:
   * from the start of the process until the model was there, without the naming of its files.
   */
  static async start(
    plan: WorkerPlan,
    { processes, clock }: WorkerParts,
    signal: AbortSignal,
  ): Promise<{ worker: Worker; loaded: Loaded; loadNs: number }> {
    signal.throwIfAborted();
    const startNs = clock.nowNs();
    const running = await processes.start({ ...plan.program, talks: true });
    const worker = new Worker(plan, running, clock);
    const late = new AbortController();
    const cancel = clock.after(plan.loadTimeoutMs, () => {
      late.abort(tooLateError(worker.name, running.said(), plan.secrets, plan.loadTimeoutMs));
    });
    try {
      const loaded = await unlessAborted(worker.load(), AbortSignal.any([signal, late.signal]));
      worker.isLoaded = true;
      return { worker, loaded, loadNs: loaded.tNs - startNs - loaded.after_load_ns };
    } catch (error) {
      await worker.stop(0);
      throw error;
    } finally {
      cancel();
    }
  }

  get pid(): number {
    return this.running.pid;
  }

  /** Why it cannot be asked any more; undefined as long as it can. */
  get gone(): EngineError | undefined {
    return this.over;
  }

  /** Waits until nobody else uses it, without asking anything; the answer ends that. Rejects with the signal's reason. */
  async turn(signal: AbortSignal): Promise<() => void> {
    const end = await this.admitted.take(signal);
    return () => void this.idle.then(end);
  }

  /** One answer: `sent` when it is this request's turn (one that has a `turn` waits no more), each token, and `done`. */
  async *generate(
    request: Omit<GenerateRequest, "op" | "id">,
    signal: AbortSignal,
  ): AsyncGenerator<AnswerEvent> {
    const endTurn = await this.turns.take(signal);
    this.requests += 1;
    const id = this.requests;
    const arrived: Arrived[] = [];
    let wake = () => {};
    const onOver = () => wake();
    this.onOver.add(onOver);
    const ended = deferred<void>();
    this.listener = (event) => {
      if (!("id" in event) || event.id !== id) return;
      arrived.push(event);
      if (event.event !== "token") ended.resolve();
      wake();
    };
    let finished = false;
    try {
      if (this.over) throw this.deathOf(this.over);
      const sentNs = this.clock.nowNs();
      this.send({ op: "generate", id, ...request });
      yield { event: "sent", tNs: sentNs };
      for (;;) {
        const event = arrived.shift();
        if (event === undefined) {
          if (this.over) throw this.over;
          const more = new Promise<void>((resolve) => {
            wake = resolve;
          });
          await unlessAborted(more, signal);
          continue;
        }
        if (event.event === "error") {
          finished = true;
          throw new EngineError(event.kind, event.class, `${this.name}: ${this.redacted(event.message)}`);
        }
        finished = event.event === "done";
        if (event.event === "token" || event.event === "done") yield event;
        if (finished) return;
      }
    } finally {
      this.onOver.delete(onOver);
      if (finished || this.over) endTurn();
      else this.idle = this.letGo(id, ended.promise).then(endTurn);
    }
  }

  /** SIGTERM, after `graceMs` SIGKILL; resolves when nothing is left of it, or the log says what is. */
  async stop(graceMs?: number): Promise<void> {
    this.fail(new EngineError("engine", "unloaded", `${this.name}: was unloaded`));
    await this.running.stop(graceMs);
  }

  private async load(): Promise<Extract<Arrived, { event: "loaded" }>> {
    const answer = deferred<Extract<Arrived, { event: "loaded" }>>();
    this.listener = (event) => {
      if (event.event === "hello" && event.v !== WORKER_PROTOCOL) {
        const message = `${this.name}: speaks version ${event.v} instead of ${WORKER_PROTOCOL}; install this package again`;
        answer.reject(new EngineError("engine", "load_failed", message));
      }
      if (event.event === "loaded") answer.resolve(event);
      if (event.event === "error")
        answer.reject(
          new EngineError(event.kind, event.class, `${this.name}: ${this.redacted(event.message)}`),
        );
    };
    if (this.over) throw this.over;
    this.onOver.add(answer.reject);
    this.send(this.plan.load);
    return answer.promise.finally(() => this.onOver.delete(answer.reject));
  }

  /** Resolves when the worker is free again, or gone (invariant 2). */
  private async letGo(id: number, ended: Promise<void>): Promise<void> {
    this.send({ op: "abort", id });
    const settled = deferred<"late" | "free">();
    const free = () => settled.resolve("free");
    const cancel = this.clock.after(LET_GO_MS, () => settled.resolve("late"));
    void ended.then(free);
    this.onOver.add(free);
    const outcome = await settled.promise;
    cancel();
    this.onOver.delete(free);
    if (outcome === "late")
      await this.kill(`it did not let go of an aborted answer within ${LET_GO_MS / 1000} s`);
  }

  private heard(line: string): void {
    const tNs = this.clock.nowNs();
    const event = readEvent(line);
    if (event === undefined) this.broken(`${JSON.stringify(line.slice(0, 200))} is no event`);
    else this.listener?.({ ...event, tNs });
  }

  private broken(what: string): void {
    void this.kill(`it does not speak as it should: ${what}`);
  }

  private async kill(why: string): Promise<void> {
    this.fail(
      new EngineError(
        this.isLoaded ? "death" : "engine",
        "child_killed",
        `${this.name}: was killed, because ${why}${this.said()}`,
      ),
    );
    await this.running.stop(0);
  }

  private send(message: ToWorker): void {
    this.running.stdio.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  private fail(error: EngineError): void {
    if (this.over) return;
    this.over = error;
    for (const tell of [...this.onOver]) tell(error);
  }

  private get name(): string {
    return `${this.plan.program.name} (pid ${this.running.pid})`;
  }

  private endError(end: ProgramEnd): EngineError {
    const during = this.isLoaded ? "serving" : "loading";
    return endingError({ ...end, name: this.name, during, secrets: this.plan.secrets });
  }

  /** For requests that come after its end: they end their attempt as well, and the next one loads it anew. */
  private deathOf(error: EngineError): EngineError {
    return error.kind === "death" ? error : new EngineError("death", error.class, error.message);
  }

  private said(): string {
    const words = this.redacted(this.running.end?.said ?? this.running.said());
    return words === "" ? "" : `. It said last:\n${words.slice(-QUOTED_CHARS)}`;
  }

  private redacted(text: string): string {
    return redactor(this.plan.secrets)(text);
  }
}

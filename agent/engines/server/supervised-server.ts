/**
 * A model server that this agent starts for one model on the devices leased for it, watches, and ends:
 *
 *   const server = await SupervisedServer.start(plan, place, parts, signal);   // ready: it has made a token
 *   yield* server.use(signal, (url, requestSignal) => …);                      // as many at once as the server takes
 *   await server.stop();                                                       // nothing of it is left
 *
 * 1. When it ends by itself, the requests that run end with that: kind `death`, or `oom` when it says so.
 * 2. An end that nothing explains is followed by another start, after a pause that doubles; requests wait for it. Out of
 *    memory is not, nor is a first start that ends with an exit code: the configuration is wrong, and would be again.
 *    A server that keeps ending, or ran out of memory, has failed for good (`failed`): let go of it and start a new one.
 * 3. Aborting one request ends this request and nothing else.
 */
import { errorText } from "../../../shared/runtime/errors.js";
import { EngineError, type EnginePlace } from "../engine.js";
import { unlessAborted } from "../unless-aborted.js";
import { endingError } from "./ending.js";
import { beginLife, endLife, endSoon, type Life, type ServerParts, type ServerPlan } from "./server-life.js";

/** Unexplained ends in a row after which it is given up. */
const MOST_ENDS = 3;
const PAUSE_MS = 500;
/** A life this long ends a row, ms. */
const STEADY_MS = 60_000;

type State =
  | { kind: "ready"; life: Life; sinceMs: number }
  | { kind: "starting"; started: Promise<void> }
  | { kind: "failed"; error: EngineError }
  | { kind: "stopped" };

export class SupervisedServer {
  private state: State = { kind: "stopped" };
  private readonly requests = new Map<AbortController, Life>();
  private readonly stopping = new AbortController();
  private stopped: Promise<void> | undefined;
  /** Unexplained ends in a row. */
  private ends = 0;
  /** How often it was started again. */
  restarts = 0;
  /** Of the start before the last, if it ended: until nothing is left of it. */
  private last: Promise<void> = Promise.resolve();

  private constructor(
    private readonly plan: ServerPlan,
    private readonly place: EnginePlace,
    private readonly parts: ServerParts,
  ) {}

  /** Throws EngineError, or the signal's reason; then nothing is left of it. */
  static async start(
    plan: ServerPlan,
    place: EnginePlace,
    parts: ServerParts,
    signal: AbortSignal,
  ): Promise<SupervisedServer> {
    const server = new SupervisedServer(plan, place, parts);
    server.serveFrom(await server.firstLife(signal));
    return server;
  }

  /** Why it will not serve any more; undefined as long as it may. */
  get failed(): EngineError | undefined {
    return this.state.kind === "failed" ? this.state.error : undefined;
  }

  /** The life that serves now; undefined while there is none. */
  get life(): Life | undefined {
    return this.state.kind === "ready" ? this.state.life : undefined;
  }

  /** One request. `signal` ends it, and so does the server's end; throws what `request` throws, or the server's end. */
  async *use<T>(
    signal: AbortSignal,
    request: (url: string, signal: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const life = await this.serving(signal);
    const ending = new AbortController();
    const onAbort = () => ending.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.requests.set(ending, life);
    try {
      signal.throwIfAborted();
      yield* request(life.url, ending.signal);
    } catch (error) {
      signal.throwIfAborted();
      ending.signal.throwIfAborted();
      // A connection breaks before its server's end is seen.
      const mayBeItsEnd = error instanceof EngineError && error.kind === "transient";
      if (!mayBeItsEnd || !(await endSoon(life.program, this.parts.clock))) throw error;
      throw this.endOf(life);
    } finally {
      this.requests.delete(ending);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** The same for what has one answer. */
  async useOnce<T>(
    signal: AbortSignal,
    request: (url: string, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const answers = this.use(signal, async function* (url, its) {
      yield await request(url, its);
    });
    for await (const answer of answers) return answer;
    throw new EngineError("engine", "silent_end", `${this.plan.name}: there was no answer`);
  }

  /** SIGTERM, after `graceMs` SIGKILL. Resolves when nothing of it is left and its port is free, or the log says what is. */
  stop(graceMs?: number): Promise<void> {
    this.stopped ??= this.end(graceMs);
    return this.stopped;
  }

  private async end(graceMs: number | undefined): Promise<void> {
    const { state } = this;
    this.state = { kind: "stopped" };
    const gone = new EngineError("engine", "server_stopped", `${this.plan.name}: it was stopped`);
    this.stopping.abort(gone);
    for (const request of this.requests.keys()) request.abort(gone);
    if (state.kind === "starting") await state.started;
    if (state.kind === "ready") await endLife(this.plan.name, state.life, this.parts, graceMs);
    await this.last;
  }

  /** The life that serves; waits for one that starts. */
  private async serving(signal: AbortSignal): Promise<Life> {
    for (;;) {
      signal.throwIfAborted();
      const { state } = this;
      if (state.kind === "ready") return state.life;
      if (state.kind === "failed")
        throw new EngineError("death", "server_gone", `the server is gone: ${state.error.message}`, {
          cause: state.error,
        });
      if (state.kind === "stopped")
        throw new EngineError("death", "server_gone", `${this.plan.name}: it was stopped`);
      await unlessAborted(state.started, signal);
    }
  }

  private serveFrom(life: Life): void {
    this.state = { kind: "ready", life, sinceMs: this.parts.clock.nowMs() };
    void life.program.ended.then(() => this.ended(life));
  }

  /** Ends a life that cannot serve any more although its program runs: the same as if it had ended by itself. */
  lost(life: Life, error: EngineError): void {
    this.ended(life, error);
  }

  /** A life ended by itself, or because it was stopped. */
  private ended(life: Life, error = this.endOf(life)): void {
    const { state } = this;
    if (state.kind !== "ready" || state.life !== life) return;
    const { clock, log } = this.parts;
    log.warn({ err: error, program: this.plan.name }, "a model server ended by itself");
    if (clock.nowMs() - state.sinceMs >= STEADY_MS) this.ends = 0;
    this.last = endLife(this.plan.name, life, this.parts, 0);
    this.state =
      error.kind === "oom" ? { kind: "failed", error } : { kind: "starting", started: this.restart(error) };
    for (const [request, its] of this.requests) if (its === life) request.abort(error);
  }

  /** Until it serves again or is given up (invariant 2); never rejects. */
  private async restart(because: EngineError): Promise<void> {
    const { plan, parts, stopping } = this;
    let error = because;
    // Whoever called sets the state to this promise first.
    await Promise.resolve();
    while (!stopping.signal.aborted) {
      this.ends += 1;
      if (this.ends > MOST_ENDS || !mayPass(error)) {
        this.state = { kind: "failed", error };
        return parts.log.error({ err: error, program: plan.name }, "a model server is given up");
      }
      try {
        await this.last;
        await parts.clock.sleep(PAUSE_MS * 2 ** (this.ends - 1), stopping.signal);
        const life = await beginLife(plan, this.place, parts, stopping.signal);
        this.restarts += 1;
        parts.log.info({ program: plan.name, restarts: this.restarts }, "a model server serves again");
        if (!stopping.signal.aborted) return this.serveFrom(life);
        await endLife(plan.name, life, parts, 0);
      } catch (thrown) {
        if (stopping.signal.aborted) return;
        error =
          thrown instanceof EngineError
            ? thrown
            : new EngineError("engine", "cannot_start", `${plan.name}: ${errorText(thrown)}`, {
                cause: thrown,
              });
      }
    }
  }

  /** The first start: what a signal ended is tried again, what ended by itself is not (invariant 2). */
  private async firstLife(signal: AbortSignal): Promise<Life> {
    const { plan, parts } = this;
    for (let ends = 1; ; ends += 1) {
      try {
        return await beginLife(plan, this.place, parts, signal);
      } catch (error) {
        const isUnexplained = error instanceof EngineError && error.class === "server_killed";
        if (!isUnexplained || ends >= MOST_ENDS) throw error;
        parts.log.warn({ err: error, program: plan.name }, "a model server is started again");
        await parts.clock.sleep(PAUSE_MS * 2 ** (ends - 1), signal);
      }
    }
  }

  private endOf({ program, readyMark }: Life): EngineError {
    const { name, secrets = [] } = this.plan;
    const how = program.end?.how ?? "it goes on";
    return endingError({ how, said: program.said(readyMark), name, during: "serving", secrets });
  }
}

/** Whether another start may go better (invariant 2); of one that had been ready also an exit code is unexplained. */
const mayPass = ({ kind, class: name }: EngineError): boolean =>
  kind === "death" || kind === "transient" || name === "server_ended" || name === "server_killed";

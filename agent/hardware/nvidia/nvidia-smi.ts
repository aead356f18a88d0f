/**
 * Asks nvidia-smi. A driver in trouble leaves it stuck in the kernel, where no signal ends it: such a child is left
 * behind, and nothing is asked again before it is gone.
 *
 * 1. At most one child at a time; while one is stuck every question is answered with the fault `hung` at once.
 * 2. A question never takes longer than its deadline and the time to kill; it never throws.
 * 3. After `close` nothing is started, and what runs is killed.
 */
import type { Clock } from "../../../shared/runtime/clock.js";
import { runCommand } from "../command.js";
import { fault, faultOf, type ProbeFault } from "./faults.js";

export type Answer = { ok: true; text: string } | { ok: false; fault: ProbeFault };

/** The machine's or the process's want of files, processes or memory: nothing is wrong with the program. */
const EXHAUSTED: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM"]);

function notStarted(path: string, { code = "", message }: NodeJS.ErrnoException): ProbeFault {
  if (code === "ENOENT" || code === "ENOTDIR") return fault("missing", `there is no ${path}`);
  return fault(EXHAUSTED.has(code) ? "exhausted" : "failed", `${path} cannot be started: ${message}`);
}

const LIMITS = { deadlineMs: 10_000, killMs: 1_000, mostBytes: 16 * 1024 ** 2 };

export class NvidiaSmi {
  private turn: Promise<unknown> = Promise.resolve();
  private readonly ending = new AbortController();
  private stuck: { sinceMs: number; said: string } | undefined;

  constructor(
    /** A path, or a name to look up in PATH. */
    private readonly path: string,
    private readonly clock: Clock,
    /** Of the process it is started by. */
    private readonly env: NodeJS.ProcessEnv,
    private readonly limits = LIMITS,
  ) {}

  /** What `nvidia-smi …args` prints. Questions wait for each other. */
  ask(...args: string[]): Promise<Answer> {
    const answer = this.turn.then(() => this.askNow(args));
    this.turn = answer.catch(() => {});
    return answer;
  }

  close(): void {
    this.ending.abort();
  }

  private async askNow(args: readonly string[]): Promise<Answer> {
    const said = ["nvidia-smi", ...args].join(" ").slice(0, 200);
    const no = (found: ProbeFault): Answer => ({ ok: false, fault: found });
    if (this.ending.signal.aborted) return no(fault("failed", `${said} was not asked: it is over`));
    if (this.stuck) {
      const seconds = Math.round((this.clock.nowMs() - this.stuck.sinceMs) / 1000);
      return no(fault("hung", `${this.stuck.said} is stuck since ${seconds} s and cannot be killed`));
    }
    const waited = `gave no answer in ${this.limits.deadlineMs / 1000} s`;
    const outcome = await runCommand(this.path, args, this.clock, {
      ...{ ...this.limits, env: this.env, signal: this.ending.signal },
    });
    switch (outcome.kind) {
      case "ended":
        return outcome.ended.code === 0
          ? { ok: true, text: outcome.ended.stdout }
          : no(faultOf(outcome.ended));
      case "not_started":
        return no(notStarted(this.path, outcome.error));
      case "late":
        return no(fault("hung", `${said} ${waited} and was killed`));
      case "too_much":
        return no(fault("garbled", `${said} printed more than ${this.limits.mostBytes / 1024 ** 2} MiB`));
      case "stuck": {
        const stuck = { sinceMs: this.clock.nowMs(), said };
        this.stuck = stuck;
        void outcome.gone.then(() => {
          if (this.stuck === stuck) this.stuck = undefined;
        });
        return no(fault("hung", `${said} ${waited}, and killing it has no effect`));
      }
    }
  }
}

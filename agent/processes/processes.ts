/**
 * The long-lived programs that this agent starts: model servers and workers. Each is the beginning of a session of its own,
 * so that all it starts in turn is found and ended with it, and none outlives the agent for longer than until its next start.
 *
 * 1. Everything started is marked in its environment from its first moment on, and noted on the disk once its id is known:
 *    programs that name themselves overwrite their environment, and an agent may die before it has noted anything.
 * 2. `stop` resolves when nothing of it is left and its end is known, or when killing had no effect for `KILL_MS`; then
 *    what is left is named.
 * 3. When a program ends by itself, what it has left behind is killed.
 * 4. A process that is not known to be ours is never ended: of the session noted in this boot, begun no later than it, and
 *    not with a legible environment that lacks the mark.
 * 5. Of the agent's own environment programs get no secrets.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Disk } from "../../shared/runtime/disk.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import {
  bootId,
  environmentOf,
  type ProcessSeen,
  residentBytes,
  seeProcess,
  seeProcesses,
} from "../../shared/runtime/proc.js";
import { Tail } from "./tail.js";

export interface ProcessesParts {
  disk: Disk;
  /** Folder of this agent alone; names its processes, too. */
  dir: string;
  /** The agent's own environment. */
  env: NodeJS.ProcessEnv;
  clock: Clock;
  log: Logger;
  /** Most memory of this agent and its programs together; above it nothing more is started. Absent: no limit. */
  memoryLimitBytes?: number | undefined;
}

export interface Program {
  /** For people: `ollama serve on GPU-…`. */
  name: string;
  /** A program in PATH, or a file. */
  path: string;
  args: readonly string[];
  /** Beside what it gets of the agent's own; an undefined entry takes one away. */
  env: { readonly [name: string]: string | undefined };
  cwd?: string;
  /** Standard input and output are the caller's; otherwise output goes into the tail, and input is empty. */
  talks?: boolean;
  /** Its end is nothing to warn of: it only answers a question. */
  isBrief?: boolean;
}

export interface ProgramEnd {
  /** `exit code 1` or `signal SIGKILL`. */
  how: string;
  /** What it said last: 64 KiB at most; empty if it said nothing. */
  said: string;
}

export interface RunningProgram {
  readonly pid: number;
  /** Its pipes; only of a program that `talks`. */
  readonly stdio: Pick<ChildProcess, "stdin" | "stdout">;
  /** Resolves when the program itself has ended; never rejects. */
  readonly ended: Promise<ProgramEnd>;
  /** Undefined while it runs. */
  readonly end: ProgramEnd | undefined;
  /** What it said last: 64 KiB at most, and nothing from before the mark. */
  said(since?: number): string;
  /** A mark in what it says: what comes from now on is after it. */
  mark(): number;
  /** SIGTERM, and after `graceMs` SIGKILL for everything it started. Resolves with what is left (invariant 2), by pid. */
  stop(graceMs?: number): Promise<number[]>;
}

interface Session {
  name: string;
  /** Of the program that began it. */
  pid: number;
  startTicks: string;
  /** An entry of its environment. */
  mark: string;
}

interface Noted extends Session {
  v: 1;
  boot: string;
}

/** How long a program has to end by itself, ms. */
export const GRACE_MS = 20_000;
/** How long what was killed has to be gone, ms. */
const KILL_MS = 5_000;
/** How long the kernel's word that a program has ended may take to come, once it is gone; ms. */
const END_MS = 1_000;
const POLL_MS = 20;
const SLOW_POLL_MS = 500;
const MARK = "SAI_STARTED_BY";
const SECRET = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|^SAI_/i;

export class Processes {
  private readonly running = new Map<number, RunningProgram & { session: Session }>();
  private closed = false;
  private started = 0;

  private constructor(private readonly parts: ProcessesParts) {}

  /** Ends what an earlier start of this agent left behind. Throws SaiError when its folder cannot be used. */
  static async open(parts: ProcessesParts): Promise<Processes> {
    const processes = new Processes(parts);
    await parts.disk.mkdir(parts.dir);
    await processes.endLeft();
    return processes;
  }

  /** In use by this agent and its programs, in bytes, as the kernel counts what is resident. */
  residentBytes(): number {
    const own = seeProcesses().filter(({ pid, session }) => pid === process.pid || this.running.has(session));
    return own.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
  }

  /**
   * Starts a program. Throws SaiError failed_precondition when it cannot be started, resource_exhausted when the programs
   * there are use all memory they may have.
   */
  async start(program: Program): Promise<RunningProgram> {
    const { name, path, args, cwd, talks, isBrief = false } = program;
    if (this.closed) throw new SaiError("cancelled", `${name}: the agent stops`);
    this.checkMemory(name);
    const tail = new Tail();
    this.started += 1;
    const mark = `${this.mark}${this.started}`;
    const env = { ...this.inherited(), ...program.env, [MARK]: mark.slice(MARK.length + 1) };
    const pipe = talks ? "pipe" : "ignore";
    let child: ChildProcess;
    try {
      // A session of its own: Ctrl-C in a terminal does not reach it, and its members are known by it.
      child = spawn(path, [...args], { env, cwd, detached: true, stdio: [pipe, "pipe", "pipe"] });
    } catch (error) {
      throw notStarted(program, error);
    }
    const failed = new Promise<Error>((resolve) => child.once("error", resolve));
    if (child.pid === undefined) throw notStarted(program, await failed);
    const { pid } = child;
    child.on("error", (err) => this.parts.log.warn({ err, program: name, pid }, "a program's pipe failed"));
    if (!talks) child.stdout?.on("data", (part: Buffer) => tail.push(part));
    child.stderr?.on("data", (part: Buffer) => tail.push(part));
    const startTicks = seeProcess(pid)?.startTicks ?? "";
    const session: Session = { name, pid, startTicks, mark };
    const note: Noted = { v: 1, boot: bootId(), ...session };
    const noted = this.parts.disk.writeAtomic(this.noteOf(pid), JSON.stringify(note));
    const running = this.follow(session, noted, child, tail, isBrief);
    try {
      await noted;
    } catch (error) {
      await running.stop(0);
      throw error;
    }
    return running;
  }

  private checkMemory(name: string): void {
    const { memoryLimitBytes: limit } = this.parts;
    if (limit === undefined) return;
    const used = this.residentBytes();
    if (used < limit) return;
    const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
    const message = `${name} is not started: this agent and its programs use ${gb(used)} of memory, ${gb(limit)} are allowed`;
    throw new SaiError("resource_exhausted", message, {
      hint: "raise resource_manager.system_memory_limit, or wait until other models are unloaded",
    });
  }

  /** Stops everything; resolves when it is gone, or left behind and named in the log. */
  async close(graceMs = GRACE_MS): Promise<void> {
    this.closed = true;
    await Promise.all([...this.running.values()].map((program) => program.stop(graceMs)));
  }

  /** True for a process of a program that runs or is being stopped, and for what it has started. */
  runs(pid: number): boolean {
    const session = seeProcess(pid)?.session;
    if (session === undefined) return false;
    if (this.running.has(session)) return true;
    const environment = environmentOf(pid);
    return [...this.running.values()].some((program) => environment.includes(program.session.mark));
  }

  /** True for a process of a program that this agent has started, and for what that has started. */
  owns(pid: number): boolean {
    const session = seeProcess(pid)?.session;
    if (session === undefined) return false;
    return this.running.has(session) || environmentOf(pid).some((entry) => entry.startsWith(this.mark));
  }

  private follow(
    session: Session,
    noted: Promise<void>,
    child: ChildProcess,
    tail: Tail,
    isBrief: boolean,
  ): RunningProgram {
    const { clock, log } = this.parts;
    const { name, pid } = session;
    let stopping: Promise<number[]> | undefined;
    const ended = new Promise<ProgramEnd>((resolve) => {
      child.once("exit", (code, signal) => {
        const say = () => {
          if (running.end === undefined) {
            running.end = {
              how: signal === null ? `exit code ${code}` : `signal ${signal}`,
              said: tail.text(),
            };
            resolve(running.end);
            if (stopping === undefined) {
              const level = isBrief ? "debug" : "warn";
              log[level]({ program: name, pid, how: running.end.how }, "a program ended by itself");
              void running.stop(0); // invariant 3
            }
          }
        };
        // Its last words; whoever else holds the pipe may hold it for long.
        child.once("close", say);
        clock.after(LAST_WORDS_MS, say);
      });
    });
    const running: RunningProgram & { end: ProgramEnd | undefined; session: Session } = {
      ...{ pid, ended, end: undefined, session },
      stdio: { stdin: child.stdin, stdout: child.stdout },
      said: (since) => tail.text(since),
      mark: () => tail.total,
      stop: (graceMs = GRACE_MS) => {
        // Once it is gone its id may be somebody else's (invariant 4).
        if (graceMs === 0 && this.running.get(pid) === running) this.signal([-pid], "SIGKILL");
        stopping ??= this.stop(session, graceMs).then(async (left) => {
          child.stdin?.destroy();
          child.stdout?.destroy();
          child.stderr?.destroy();
          await noted.catch(() => {}); // or the note would come after it is forgotten
          if (left.length > 0) child.unref();
          else await Promise.all([this.forget(pid), this.within(END_MS, ended)]);
          this.running.delete(pid);
          return left;
        });
        return stopping;
      },
    };
    this.running.set(pid, running);
    log.debug({ program: name, pid }, "a program was started");
    return running;
  }

  private async stop(session: Session, graceMs: number): Promise<number[]> {
    const { clock, log } = this.parts;
    const { name, pid } = session;
    const gone = async (untilMs: number): Promise<boolean> => {
      for (
        let pauseMs = POLL_MS;
        membersOf(session).length > 0;
        pauseMs = Math.min(2 * pauseMs, SLOW_POLL_MS)
      ) {
        if (clock.nowMs() >= untilMs) return false;
        await clock.sleep(pauseMs);
      }
      return true;
    };
    if (graceMs > 0) {
      this.signal([-pid], "SIGTERM");
      await gone(clock.nowMs() + graceMs);
    }
    const all = () => unique([...membersOf(session), ...markedWith((entry) => entry === session.mark)]);
    for (const untilMs = clock.nowMs() + KILL_MS; clock.nowMs() < untilMs; await clock.sleep(POLL_MS)) {
      const left = all();
      if (left.length === 0) return [];
      this.signal([-pid, ...left.map((member) => member.pid)], "SIGKILL");
    }
    const left = all().map((member) => member.pid);
    if (left.length > 0) {
      const hint = "they may be stuck in the kernel: `ps -o pid,stat,wchan` tells";
      log.error({ program: name, left, hint }, "processes outlive their killing");
    }
    return left;
  }

  private async within(ms: number, awaited: Promise<unknown>): Promise<void> {
    const waited = new AbortController();
    await Promise.race([awaited, this.parts.clock.sleep(ms, waited.signal).catch(() => {})]);
    waited.abort();
  }

  private signal(pids: readonly number[], signal: NodeJS.Signals): void {
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch {
        // It is gone, which is what was wanted.
      }
    }
  }

  private async endLeft(): Promise<void> {
    const { disk, dir, clock, log } = this.parts;
    const notes: Noted[] = [];
    for (const file of await disk.list(dir)) {
      if (!file.endsWith(".json")) continue;
      const noted = parse(await disk.read(join(dir, file)));
      if (noted?.boot === bootId()) notes.push(noted);
      else await disk.remove(join(dir, file));
    }
    const left = () =>
      unique([...notes.flatMap(membersOf), ...markedWith((entry) => entry.startsWith(this.mark))]);
    let found = left();
    if (found.length > 0)
      log.warn({ pids: found.map(({ pid }) => pid) }, "programs of an earlier start are ended");
    for (
      const untilMs = clock.nowMs() + KILL_MS;
      found.length > 0 && clock.nowMs() < untilMs;
      found = left()
    ) {
      this.signal(
        found.map(({ pid }) => pid),
        "SIGKILL",
      );
      await clock.sleep(POLL_MS);
    }
    if (found.length > 0)
      log.error({ left: found.map(({ pid }) => pid) }, "processes of an earlier start outlive their killing");
    for (const noted of notes) if (membersOf(noted).length === 0) await this.forget(noted.pid);
  }

  private async forget(pid: number): Promise<void> {
    await this.parts.disk
      .remove(this.noteOf(pid))
      .catch((error) => this.parts.log.warn({ reason: errorText(error) }, "a program's note is not removed"));
  }

  private inherited(): NodeJS.ProcessEnv {
    return Object.fromEntries(Object.entries(this.parts.env).filter(([name]) => !SECRET.test(name)));
  }

  /** What all marks of this agent begin with. */
  private get mark(): string {
    return `${MARK}=${this.parts.dir}:`;
  }

  private noteOf(pid: number): string {
    return join(this.parts.dir, `${pid}.json`);
  }
}

/** How long output may still come after the exit, from whoever else holds the pipe; ms. */
const LAST_WORDS_MS = 200;

/** What is left of the session that a program began (invariant 4). */
function membersOf({ pid: leader, startTicks, mark }: Session): ProcessSeen[] {
  const now = seeProcess(leader);
  if (now && now.startTicks !== startTicks) return []; // the id was given again: the session is over
  return seeProcesses().filter(({ pid, session, startTicks: started }) => {
    if (session !== leader || BigInt(started) < BigInt(startTicks || "0")) return false;
    const environment = environmentOf(pid);
    return environment.includes(mark) || !environment.some((entry) => entry.startsWith("PATH="));
  });
}

/** Also those that began sessions of their own. */
const markedWith = (is: (entry: string) => boolean): ProcessSeen[] =>
  seeProcesses().filter(({ pid }) => environmentOf(pid).some(is));

const unique = (seen: readonly ProcessSeen[]): ProcessSeen[] => [
  ...new Map(seen.map((one) => [one.pid, one])).values(),
];

function parse(bytes: Buffer | undefined): Noted | undefined {
  try {
    const noted = JSON.parse((bytes ?? Buffer.alloc(0)).toString("utf8")) as Noted;
    const isWhole =
      noted.v === 1 && Number.isSafeInteger(noted.pid) && noted.pid > 1 && /^\d+$/.test(noted.startTicks);
    return isWhole && typeof noted.boot === "string" && typeof noted.mark === "string" ? noted : undefined;
  } catch {
    return undefined;
  }
}

function notStarted({ name, path }: Program, error: unknown): SaiError {
  const isAbsent = (error as NodeJS.ErrnoException).code === "ENOENT";
  const why = isAbsent ? `there is no program ${path}` : errorText(error);
  return new SaiError("failed_precondition", `${name} cannot be started: ${why}`, {
    cause: error,
    ...(isAbsent && { hint: "install it, or say in the configuration where it is" }),
  });
}

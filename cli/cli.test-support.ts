/** A terminal for tests: what a command prints is kept, nothing reaches the real one. */
import { systemClock } from "../shared/runtime/clock.js";
import { systemRandom } from "../shared/runtime/random.js";
import type { Context, GlobalFlags, Io } from "./context.js";
import type { ExitCode } from "./exit.js";

export interface Captured {
  io: Io;
  /** Everything printed so far. */
  out(): string;
  err(): string;
}

export function captureIo(more: Partial<Io> = {}): Captured {
  const out: string[] = [];
  const err: string[] = [];
  const io: Io = {
    out: async (data) => void out.push(Buffer.from(data).toString()),
    err: (text) => void err.push(text),
    outIsTty: false,
    errIsTty: false,
    columns: () => 100,
    env: {},
    cwd: process.cwd(),
    interrupt: new AbortController().signal,
    clock: systemClock,
    random: systemRandom,
    ...more,
  };
  return { io, out: () => out.join(""), err: () => err.join("") };
}

export function testContext(
  io: Io,
  flags: Partial<GlobalFlags> = {},
): { context: Context; code: () => ExitCode } {
  let code: ExitCode = 0;
  const context: Context = {
    io,
    flags: {
      output: "table",
      address: undefined,
      wait: false,
      timeoutMs: undefined,
      progress: "none",
      color: false,
      quiet: false,
      verbose: false,
      yes: false,
      ...flags,
    },
    exit: (wanted) => {
      code = wanted;
    },
  };
  return { context, code: () => code };
}

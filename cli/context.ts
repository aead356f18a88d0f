/**
 * What every command gets: the terminal, the global flags and a way to a coordinator. Only `main.ts` touches the
 * process; everything here is passed in, so that a test can run a command with its own terminal.
 */
import type { Clock } from "../shared/runtime/clock.js";
import type { Random } from "../shared/runtime/random.js";
import type { ExitCode } from "./exit.js";
import { asTyped } from "./invocation.js";

/** The terminal and the process as commands see them. */
export interface Io {
  /** Data, to stdout; resolves when the reader has taken it. */
  out(data: string | Uint8Array): Promise<void>;
  /** Messages, to stderr. */
  err(text: string): void;
  readonly outIsTty: boolean;
  readonly errIsTty: boolean;
  /** Columns of the terminal; 100 when there is none. */
  columns(): number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by SIGINT and SIGTERM. */
  readonly interrupt: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
}

export const OUTPUT_FORMATS = ["table", "wide", "json", "jsonl", "yaml", "name"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export const PROGRESS_MODES = ["auto", "tty", "plain", "none"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

export interface GlobalFlags {
  output: OutputFormat;
  /** As given by --address; undefined means environment, configuration, default, in this order. */
  address: string | undefined;
  wait: boolean;
  /** Of waits and calls, in ms; undefined means no limit for waits and 30 s for calls. */
  timeoutMs: number | undefined;
  progress: ProgressMode;
  color: boolean;
  quiet: boolean;
  verbose: boolean;
  /** Answer every question with yes. */
  yes: boolean;
}

export interface Context {
  readonly io: Io;
  readonly flags: GlobalFlags;
  /** Sets the exit code of a command that otherwise went well. */
  exit(code: ExitCode): void;
}

/** A line on stderr, unless --quiet; commands in it are shown as they are to be typed here. */
export function say(context: Context, line: string): void {
  if (!context.flags.quiet) context.io.err(`${asTyped(context.io.env, line)}\n`);
}

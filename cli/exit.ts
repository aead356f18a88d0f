/**
 * How the program ends: its exit codes, and how an error becomes the `error:`, `cause:`, `hint:` lines on stderr.
 * One place decides both, so that a script and a person get the same answer.
 */
import { errorText, SaiError } from "../shared/runtime/errors.js";

export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  /** A wait timed out; the campaign goes on. */
  waitTimedOut: 3,
  /** Not authenticated, or not allowed. */
  authentication: 4,
  /** The campaign ended with failed samples, or missed its gate. */
  failures: 5,
  /** The campaign is incomplete, inconclusive or not comparable. */
  incomplete: 6,
  config: 78,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with a code and a message of its own; the message is printed unless it is empty. */
export class CliExit extends Error {
  readonly code: ExitCode;
  readonly hint: string | undefined;
  constructor(code: ExitCode, message = "", more: { hint?: string; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "CliExit";
    this.code = code;
    this.hint = more.hint;
  }
}

/** A wrong argument: exit 2 with a hint. */
export const usageError = (message: string, hint?: string): CliExit =>
  new CliExit(EXIT.usage, message, hint === undefined ? {} : { hint });

/** The exit code for anything a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliExit) return error.code;
  if (!(error instanceof SaiError)) return EXIT.error;
  if (error.code === "config") return EXIT.config;
  if (error.code === "unauthenticated" || error.code === "permission_denied") return EXIT.authentication;
  return EXIT.error;
}

/**
 * The lines for stderr: what happened, each wrong field on its own line, why, what to do. `verbose` adds the stack,
 * which is for a bug report, not for a user's mistake.
 */
export function errorLines(error: unknown, verbose = false): string[] {
  const lines: string[] = [];
  const message = error instanceof Error ? error.message : String(error);
  if (message !== "") lines.push(`error: ${message}`);
  if (error instanceof SaiError) {
    for (const v of error.violations) lines.push(`  ${v.field === "" ? "" : `${v.field}: `}${v.description}`);
  }
  if (error instanceof Error && error.cause !== undefined) lines.push(`cause: ${errorText(error.cause)}`);
  if ((error instanceof SaiError || error instanceof CliExit) && error.hint)
    lines.push(`hint: ${error.hint}`);
  if (verbose && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  return lines;
}

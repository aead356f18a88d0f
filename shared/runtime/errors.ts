/**
 * The one error class. `code` is stable and decides the gRPC status, the HTTP status and the exit code (mapped in
 * shared/rpc/status.ts and cli/exit.ts); the message is for people: what happened and where; `hint` says what to do.
 */
export type ErrorCode =
  | "invalid_argument"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "out_of_range"
  | "resource_exhausted"
  | "unavailable"
  | "deadline_exceeded"
  | "cancelled"
  | "unauthenticated"
  | "permission_denied"
  | "config"
  | "internal";

/** What is wrong with one field of a request, a suite or a configuration. */
export interface FieldViolation {
  /** Path such as `prompts[0].template`. */
  field: string;
  description: string;
}

export class SaiError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly violations: FieldViolation[];
  constructor(
    code: ErrorCode,
    message: string,
    more: { hint?: string; violations?: FieldViolation[]; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "SaiError";
    this.code = code;
    this.hint = more.hint;
    this.violations = more.violations ?? [];
  }
}

/** The text of anything thrown, with the messages of its causes. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `: ${errorText(error.cause)}`;
  return error.message + cause;
}

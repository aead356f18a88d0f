/**
 * What an error of etcd, or of the way to it, means for a caller: whether the call certainly had no effect, and what to
 * do. Errors come as etcd3 casts them (the gRPC status is in front of the message) or as gRPC has them (streams).
 */
import { type Rev, rev, StoreError } from "../store.js";

/** What is known of a call that failed. */
export type Fate =
  /** It never left: it may be sent elsewhere. */
  | { kind: "not_sent"; what: string }
  /** It may have been done, or not. */
  | { kind: "lost"; what: string }
  /** This server said that it was not done, and another may do it. */
  | { kind: "refused_here"; what: string }
  /** Certainly not done, and no other server would. */
  | { kind: "refused"; error: StoreError }
  /** The space is used up; a write that used up the last of it may have been done. */
  | { kind: "no_space" }
  | { kind: "compacted" }
  | { kind: "lease_not_found" };

/** gRPC's status codes. */
const STATUS = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export function fateOf(error: unknown): Fate {
  if (error instanceof StoreError) return { kind: "refused", error };
  const { code, what } = statusOf(error);
  const refused = (detail: StoreError["detail"]): Fate => ({
    kind: "refused",
    error: new StoreError(detail, error),
  });
  if (/authentication failed|permission denied|user name is empty|invalid auth token/.test(what))
    return refused({ kind: "Denied", what });
  switch (code) {
    case STATUS.UNAVAILABLE:
      if (
        /^(No connection established|Name resolution failed|Failed to connect|Channel closed before)/.test(
          what,
        )
      )
        return { kind: "not_sent", what };
      return { kind: "lost", what };
    case STATUS.NOT_FOUND:
      return /lease/.test(what) ? { kind: "lease_not_found" } : refused({ kind: "BadRequest", what });
    case STATUS.RESOURCE_EXHAUSTED:
      if (/space exceeded/.test(what)) return { kind: "no_space" };
      // Too many requests in flight: refused before anything is proposed.
      return /etcdserver/.test(what) ? { kind: "refused_here", what } : { kind: "lost", what };
    case STATUS.OUT_OF_RANGE:
      return /compacted/.test(what) ? { kind: "compacted" } : refused({ kind: "BadRequest", what });
    case STATUS.PERMISSION_DENIED:
    case STATUS.UNAUTHENTICATED:
      return refused({ kind: "Denied", what });
    case STATUS.INVALID_ARGUMENT:
      return refused({ kind: "BadRequest", what });
    case STATUS.FAILED_PRECONDITION:
    case STATUS.UNIMPLEMENTED:
      return { kind: "refused_here", what };
    default:
      return { kind: "lost", what };
  }
}

/** The error of a watch that etcd cancelled. */
export function cancelled(compactRevision: string, reason: string): StoreError {
  const compactRev = BigInt(compactRevision);
  if (compactRev > 0n) return new StoreError({ kind: "Compacted", compactRev: rev(compactRev) as Rev });
  return new StoreError(
    /permission denied|auth/.test(reason)
      ? { kind: "Denied", what: reason }
      : { kind: "Unavailable", what: `etcd cancelled the watch: ${reason || "without a reason"}` },
  );
}

function statusOf(error: unknown): { code: number | undefined; what: string } {
  const {
    code,
    details,
    message = String(error),
  } = (error ?? {}) as Partial<{
    code: number;
    details: string;
    message: string;
  }>;
  // Some of etcd3's errors put words around gRPC's text.
  const [, number, text] = /(?:^|\s)(\d{1,2}) [A-Z_]+: ?(.*)$/s.exec(message) ?? [];
  const what = (details || text || message).replace(/\.? Resolution note: *$/, "");
  return { code: number === undefined ? code : Number(number), what };
}

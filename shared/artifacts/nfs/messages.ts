/** What an NFS store and its process say to each other. */
import type { ErrorCode } from "../../runtime/errors.js";

export type NfsCall =
  | { do: "put"; key: string; data: Uint8Array }
  | { do: "get" | "size" | "remove"; key: string }
  /** An upload, by a number that its owner chose. */
  | { do: "begin"; upload: number; sha256: string }
  | { do: "write"; upload: number; data: Uint8Array }
  | { do: "commit" | "abort"; upload: number }
  /** Something that comes piece by piece: a blob's bytes, or keys (of what was removed), or more of each. */
  | { do: "read"; stream: number; key: string }
  | { do: "list" | "entries"; stream: number; prefix: string }
  | { do: "next" | "end"; stream: number }
  | { do: "leftovers"; stream: number; olderThanMs: number }
  | { do: "check" };

export interface ToNfs {
  id: number;
  call: NfsCall;
}

export type FromNfs =
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; code: ErrorCode; message: string; hint: string | undefined };

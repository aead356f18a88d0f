/** What the store and its disk's thread say to each other. Requests are answered one after the other, in order. */
import type { ErrorCode } from "../../../shared/runtime/errors.js";

/** What a store is at a revision; written with every commit, compared with what is found at the next opening. */
export interface Head {
  readonly rev: bigint;
  readonly keys: number;
  /** Of keys and values. */
  readonly bytes: number;
}

export type Request =
  | { kind: "open"; folder: string; mapBytes: number; nonce: string; wallMs: number }
  /** The batch (batch.ts) in the first `length` bytes. Without `head` the store is not whole until one follows. */
  | { kind: "commit"; memory: ArrayBuffer; length: number; head: Head | undefined; useReserve: boolean }
  | { kind: "reserve" }
  | { kind: "close" };

export type Answer =
  /** Any number of them before `opened`: keys in order, as a batch. */
  | { kind: "page"; memory: ArrayBuffer; length: number }
  /** `opened`: how often, this time included. `reserve`: whether there is room for deletions on a full disk. */
  | { kind: "opened"; head: Head; opened: number; reserve: boolean }
  /** `memory`: the batch's, given back. */
  | { kind: "done"; memory?: ArrayBuffer }
  | { kind: "reserved"; ok: boolean }
  | { kind: "not_committed"; why: NotCommitted; message: string; head: Head | undefined }
  | { kind: "failed"; code: ErrorCode; message: string; hint: string | undefined; cause: string | undefined };

/** full: the disk; taken: another process owns the folder now; broken: anything else, such as a disk's fault. */
export type NotCommitted = "full" | "taken" | "broken";

/** A commit that failed. `head`: what the disk says now, if it can be asked. */
export class CommitFailed extends Error {
  readonly why: NotCommitted;
  readonly head: Head | undefined;
  constructor(why: NotCommitted, head: Head | undefined, message: string) {
    super(message);
    this.name = "CommitFailed";
    this.why = why;
    this.head = head;
  }
}

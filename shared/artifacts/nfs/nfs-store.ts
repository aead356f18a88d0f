/**
 * An artifact store in a folder on an NFS share. The share is used by a process of its own (nfs-process.ts), whose every
 * answer has a deadline, because a share that hangs would otherwise hold up its user's disk, DNS and everything else that
 * Node does in threads. What is done to be safe on NFS is in files.ts.
 */
import type { Clock } from "../../runtime/clock.js";
import type { Incoming } from "../incoming.js";
import type { Artifacts, Entry } from "../store.js";
import type { NfsCall } from "./messages.js";
import { NfsProcess } from "./nfs-process.js";

export interface NfsLimits {
  /** For a small call, ms. */
  answerMs: number;
  /** The slowest transfer that is waited for, bytes a second. */
  leastBytesPerS: number;
}

const NFS_LIMITS: NfsLimits = { answerMs: 30_000, leastBytesPerS: 1024 * 1024 };
/** What is written is read back, before it is in its place and there. */
const TRANSFERS = 3;

export class NfsStore implements Artifacts {
  private readonly limits: NfsLimits;
  private readonly process: NfsProcess;
  private numbers = 0;

  constructor(
    readonly location: string,
    parts: { clock: Clock; limits?: NfsLimits },
  ) {
    this.limits = parts.limits ?? NFS_LIMITS;
    this.process = new NfsProcess(location, parts.clock);
  }

  async put(key: string, data: Uint8Array): Promise<void> {
    await this.ask({ do: "put", key, data }, TRANSFERS * data.byteLength);
  }

  async get(key: string): Promise<Buffer> {
    const bytes = (await this.size(key)) ?? 0;
    return Buffer.from((await this.ask({ do: "get", key }, bytes)) as Uint8Array);
  }

  async size(key: string): Promise<number | undefined> {
    return (await this.ask({ do: "size", key })) as number | undefined;
  }

  async remove(key: string): Promise<void> {
    await this.ask({ do: "remove", key });
  }

  async receive(sha256: string): Promise<Incoming> {
    this.numbers += 1;
    const upload = this.numbers;
    let bytes = 0;
    await this.ask({ do: "begin", upload, sha256 });
    const own = this.sameProcess();
    return {
      write: async (data) => {
        bytes += data.byteLength;
        await own({ do: "write", upload, data }, data.byteLength);
      },
      commit: async () =>
        (await own({ do: "commit", upload }, TRANSFERS * bytes)) as { sha256: string; stored: boolean },
      abort: async () => void (await own({ do: "abort", upload }).catch(() => {})),
    };
  }

  async *read(key: string): AsyncGenerator<Uint8Array> {
    yield* this.stream<Uint8Array>((stream) => ({ do: "read", stream, key }));
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for await (const keys of this.stream<string[]>((stream) => ({ do: "list", stream, prefix }))) yield* keys;
  }

  async *entries(prefix: string): AsyncGenerator<Entry> {
    for await (const found of this.stream<Entry[]>((stream) => ({ do: "entries", stream, prefix })))
      yield* found;
  }

  async removeLeftovers(olderThanMs: number): Promise<number> {
    let removed = 0;
    const removing = this.stream<string[]>((stream) => ({ do: "leftovers", stream, olderThanMs }));
    for await (const keys of removing) removed += keys.length;
    return removed;
  }

  async link(): Promise<undefined> {}

  async check(): Promise<string> {
    return (await this.ask({ do: "check" })) as string;
  }

  close(): Promise<void> {
    return this.process.close();
  }

  private async *stream<T>(begin: (stream: number) => NfsCall): AsyncGenerator<T> {
    this.numbers += 1;
    const stream = this.numbers;
    await this.ask(begin(stream));
    const own = this.sameProcess();
    try {
      for (;;) {
        const { value, done } = (await own({ do: "next", stream })) as IteratorResult<T>;
        if (done === true) return;
        yield value;
      }
    } finally {
      await own({ do: "end", stream }).catch(() => {});
    }
  }

  /** Asks only the process that there is now: what was begun in it is gone with it. */
  private sameProcess(): (call: NfsCall, bytes?: number) => Promise<unknown> {
    const { starts } = this.process;
    return (call, bytes) => this.ask(call, bytes, starts);
  }

  private ask(call: NfsCall, bytes = 0, start?: number): Promise<unknown> {
    const ms = this.limits.answerMs + (bytes / this.limits.leastBytesPerS) * 1000;
    return this.process.ask(call, ms, start);
  }
}

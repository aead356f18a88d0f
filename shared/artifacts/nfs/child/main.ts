/**
 * The process in which an NFS share is used: a share that hangs blocks the threads that touch it, and nothing but the end
 * of the process frees them. It is a folder store with the rules for NFS, asked over the channel of its owner, and lives
 * no longer than that. Its argument is the folder, which is never made: without the mount it would be the local disk's.
 */
import { systemClock } from "../../../runtime/clock.js";
import { errorText, SaiError } from "../../../runtime/errors.js";
import { systemRandom } from "../../../runtime/random.js";
import { nodeFiles } from "../../files.js";
import { FolderStore } from "../../folder-store.js";
import type { Incoming } from "../../incoming.js";
import type { FromNfs, NfsCall, ToNfs } from "../messages.js";

const KEYS_AT_ONCE = 1000;
/** A walk answers at least so often, ms, whether or not it found anything: its owner waits for each answer. */
const STEP_MS = 2_000;

const store = new FolderStore(process.argv[2] ?? "/", systemRandom, { files: nodeFiles, nfs: true });
const uploads = new Map<number, Incoming>();
const streams = new Map<number, AsyncGenerator<unknown>>();

process.on("disconnect", () => process.exit(0));
process.on("message", ({ id, call }: ToNfs) => {
  answer(call).then(
    (value) => say({ id, ok: true, value }),
    (error: unknown) => {
      const { code, hint } =
        error instanceof SaiError ? error : { code: "internal" as const, hint: undefined };
      const message = error instanceof SaiError ? error.message : errorText(error);
      say({ id, ok: false, code, message, hint });
    },
  );
});

async function answer(call: NfsCall): Promise<unknown> {
  switch (call.do) {
    case "put":
      return store.put(call.key, call.data);
    case "get":
      return store.get(call.key);
    case "size":
      return store.size(call.key);
    case "remove":
      return store.remove(call.key);
    case "begin":
      return store.receive(call.sha256).then((upload) => void uploads.set(call.upload, upload));
    case "write":
      return uploadOf(call.upload).write(call.data);
    case "commit":
      return uploadOf(call.upload).commit();
    case "abort": {
      const upload = uploads.get(call.upload);
      uploads.delete(call.upload);
      return upload?.abort();
    }
    case "read":
      streams.set(call.stream, store.read(call.key));
      return undefined;
    case "list":
      streams.set(call.stream, inSteps(store.listing(call.prefix)));
      return undefined;
    case "entries":
      streams.set(call.stream, inSteps(store.looking(call.prefix)));
      return undefined;
    case "leftovers":
      streams.set(call.stream, inSteps(store.removing(call.olderThanMs)));
      return undefined;
    case "next": {
      const stream = streams.get(call.stream);
      // Its end would be taken for the end of what it gives.
      if (stream === undefined) throw new SaiError("unavailable", `there is no stream ${call.stream}`);
      return stream.next();
    }
    case "end": {
      const stream = streams.get(call.stream);
      streams.delete(call.stream);
      return stream?.return(undefined);
    }
    case "check":
      return store.check();
  }
}

function uploadOf(id: number): Incoming {
  const upload = uploads.get(id);
  if (upload === undefined) throw new SaiError("unavailable", `there is no upload ${id}`);
  return upload;
}

async function* inSteps<T>(found: AsyncGenerator<T | undefined>): AsyncGenerator<T[]> {
  let batch: T[] = [];
  let sinceMs = systemClock.nowMs();
  for await (const one of found) {
    if (one !== undefined) batch.push(one);
    if (batch.length < KEYS_AT_ONCE && systemClock.nowMs() - sinceMs < STEP_MS) continue;
    yield batch;
    batch = [];
    sinceMs = systemClock.nowMs();
  }
  if (batch.length > 0) yield batch;
}

/** The owner may be gone: then there is nobody to tell. */
function say(message: FromNfs): void {
  process.send?.(message, () => {});
}

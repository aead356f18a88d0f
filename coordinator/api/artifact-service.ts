import { createHash } from "node:crypto";
import type { ServerReadableStream } from "@grpc/grpc-js";
import type { Incoming, IncomingStore } from "../../shared/artifacts/incoming.js";
import { type Artifacts, casKey, damaged } from "../../shared/artifacts/store.js";
import type {
  ArtifactServiceServer,
  UploadRequest,
  UploadResponse,
} from "../../shared/gen/sai/v1/artifact.js";
import { type CallObserver, observed, streaming, unary } from "../../shared/rpc/serve.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { refuse } from "./page.js";

const MAX_UPLOAD_BYTES = 100 * 1024 * 1024;
const MAX_STAT = 1000;
const STATS_AT_ONCE = 32;
const CHUNK_BYTES = 512 * 1024;
/** How long an uploader may say nothing, unless it is configured; ms. */
const SILENT_MS = 60_000;
/** How long a link is good, s; S3 signs none for longer than a week. */
const LINK_S = 3600;
const MAX_LINK_S = 604_800;

/** sai.v1.ArtifactService over the artifact store's blobs by hash. */
export function artifactService(
  artifacts: Artifacts,
  calls: CallObserver,
  clock: Clock,
): ArtifactServiceServer {
  return {
    upload(call, callback) {
      const end = observed(calls, call.getPath());
      receive(artifacts, messagesOf(call, calls.drainMs ?? SILENT_MS, clock)).then(
        (answer) => {
          callback(null, answer);
          end();
        },
        (error) => callback(end(error)),
      );
    },
    statArtifacts: unary(calls, async ({ sha256 }) => {
      if (sha256.length > MAX_STAT)
        throw refuse("sha256", `has ${sha256.length} entries, at most ${MAX_STAT}`);
      for (const [i, hash] of sha256.entries()) checkHash(`sha256[${i}]`, hash);
      // Some at once: each is a round trip or two where the store is not a folder.
      const sizes: (number | undefined)[] = [];
      for (let at = 0; at < sha256.length; at += STATS_AT_ONCE) {
        const page = sha256.slice(at, at + STATS_AT_ONCE);
        sizes.push(...(await Promise.all(page.map((hash) => artifacts.size(casKey(hash))))));
      }
      return { missing: sha256.filter((_, i) => sizes[i] === undefined) };
    }),
    createDownloadLink: unary(calls, async ({ sha256, validS }) => {
      checkHash("sha256", sha256);
      if (validS > MAX_LINK_S) throw refuse("valid_s", `is ${validS}, at most ${MAX_LINK_S}`);
      const key = casKey(sha256);
      if ((await artifacts.size(key)) === undefined)
        throw new SaiError("not_found", `no artifact ${key} in ${artifacts.location}`);
      const url = await artifacts.link(key, validS || LINK_S);
      if (url === undefined)
        throw new SaiError("failed_precondition", `the artifact store ${artifacts.location} has no links`, {
          hint: "download it through the coordinator, or set artifacts.kind: s3",
        });
      return { url };
    }),
    download: streaming(calls, async function* ({ sha256 }) {
      checkHash("sha256", sha256);
      // What was sent cannot be taken back: bytes that turn out to be others end the call with an error.
      const hash = createHash("sha256");
      for await (const piece of artifacts.read(casKey(sha256))) {
        hash.update(piece);
        for (let at = 0; at < piece.byteLength; at += CHUNK_BYTES)
          yield { chunk: Buffer.from(piece.subarray(at, at + CHUNK_BYTES)) };
      }
      const found = hash.digest("hex");
      if (found !== sha256) throw damaged(artifacts.location, casKey(sha256), found, sha256);
    }),
  };
}

function checkHash(field: string, hash: string): void {
  if (!/^[0-9a-f]{64}$/.test(hash)) throw refuse(field, "is not a SHA-256 in lower-case hex");
}

/** What an uploader sends. Ends with deadline_exceeded when nothing comes for `silentMs` that is waited for. */
async function* messagesOf(
  call: ServerReadableStream<UploadRequest, UploadResponse>,
  silentMs: number,
  clock: Clock,
): AsyncIterable<UploadRequest> {
  const messages = (call as AsyncIterable<UploadRequest>)[Symbol.asyncIterator]();
  for (;;) {
    let cancel = () => {};
    const silent = new Promise<never>((_, reject) => {
      const message = `the upload was cut off: nothing came for ${silentMs} ms`;
      cancel = clock.after(silentMs, () =>
        reject(new SaiError("deadline_exceeded", message, { hint: "upload it again" })),
      );
    });
    const next = await Promise.race([messages.next(), silent]).finally(cancel);
    if (next.done) return;
    yield next.value;
  }
}

/** Takes one upload piece by piece, checked against its head; what is refused or cut off leaves nothing. */
async function receive(
  artifacts: IncomingStore,
  messages: AsyncIterable<UploadRequest>,
): Promise<UploadResponse> {
  let head: { sha256: string; sizeBytes: number } | undefined;
  let blob: Incoming | undefined;
  let size = 0;
  try {
    for await (const { part } of messages) {
      if (part?.$case === "head") {
        if (head !== undefined) throw refuse("head", "came twice");
        head = part.value;
        checkHash("head.sha256", head.sha256);
        if (head.sizeBytes > MAX_UPLOAD_BYTES) {
          throw refuse("head.size_bytes", `is ${head.sizeBytes}, at most ${MAX_UPLOAD_BYTES}`);
        }
        blob = await artifacts.receive(head.sha256);
      } else if (part?.$case === "chunk") {
        if (head === undefined || blob === undefined) throw refuse("head", "must come first");
        size += part.value.byteLength;
        if (size > head.sizeBytes) throw refuse("head.size_bytes", `says ${head.sizeBytes}, more bytes came`);
        await blob.write(part.value);
      }
    }
    if (head === undefined || blob === undefined) throw refuse("head", "is required");
    if (size !== head.sizeBytes)
      throw refuse("head.size_bytes", `says ${head.sizeBytes}, ${size} bytes came`);
    const { sha256, stored } = await blob.commit();
    if (!stored) throw refuse("head.sha256", `says ${head.sha256}, the bytes have ${sha256}`);
    return { sha256, sizeBytes: size };
  } finally {
    await blob?.abort();
  }
}

/**
 * An artifact store in an S3 bucket, below a prefix.
 *
 * 1. A key is written with `If-None-Match: *`, so that of two writers one is first; the other compares hashes. Where a
 *    server does not know the condition (`honours` finds out with the first write) it is asked for the key before: all
 *    keys are hashes, or named by an attempt or a leader that has them alone, so that only a race of two wrong writers is
 *    then not noticed.
 * 2. What was written is read back, and compared by our own SHA-256: servers have been seen to take wrong checksums. There
 *    is no rename in S3, so a reader may see bytes that do not pass, but every reader compares hashes. What does not pass
 *    is removed, or replaced by the next writer.
 * 3. Nothing is seen of an upload in parts before its end; what a crash leaves of one is removed by `removeLeftovers`, which
 *    looks at keys of this store only: others may use the bucket, and the prefix may be empty.
 * 4. Errors are those of s3-errors.ts: whatever may pass is unavailable or resource_exhausted.
 */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { Clock } from "../../runtime/clock.js";
import { SaiError } from "../../runtime/errors.js";
import { sha256 as hashOf } from "../../runtime/hash.js";
import type { Random } from "../../runtime/random.js";
import { NotKept } from "../files.js";
import type { Incoming } from "../incoming.js";
import { type Artifacts, casKey, checkedKey, type Entry, isOwnKey } from "../store.js";
import { type Asking, S3_LIMITS, S3Access, type S3Options } from "./s3-client.js";
import { isAbsent, isEndedUpload, isNotFound, isTaken, isUnknownThere, s3Error } from "./s3-errors.js";
import { S3Upload } from "./s3-upload.js";

export interface S3Parts {
  clock: Clock;
  random: Random;
  limits?: typeof S3_LIMITS;
}

/** A whole blob and its hash. */
interface Found {
  sha256: string;
  bytes: number;
}

export class S3Store implements Artifacts {
  readonly location: string;
  private readonly access: S3Access;
  /** Whether the server honours conditional writes; asked once. */
  private honoured: Promise<boolean> | undefined;

  constructor(
    private readonly options: S3Options,
    private readonly parts: S3Parts,
  ) {
    const { bucket, prefix, endpoint } = options;
    this.location = `s3://${bucket}/${prefix}${endpoint === undefined ? "" : ` at ${endpoint}`}`;
    this.access = new S3Access(options, parts.limits ?? S3_LIMITS, parts.clock, this.location);
  }

  put(key: string, data: Uint8Array): Promise<void> {
    return this.doing(`write ${key}`, async () => {
      const wanted = { sha256: hashOf(data), bytes: data.byteLength };
      const upload = new S3Upload(this.access, this.place(key));
      try {
        if (await this.alone(key, wanted, () => upload.write(data), upload)) await this.readBack(key, wanted);
      } finally {
        await upload.abort();
      }
    });
  }

  async receive(sha256: string): Promise<Incoming> {
    const key = casKey(sha256);
    const upload = new S3Upload(this.access, this.place(key));
    const hash = createHash("sha256");
    let bytes = 0;
    const commit = async () => {
      const found = hash.digest("hex");
      if (found !== sha256) return { sha256: found, stored: false };
      const wanted = { sha256, bytes };
      if (await this.alone(key, wanted, async () => {}, upload)) await this.readBack(key, wanted);
      return { sha256, stored: true };
    };
    return {
      write: (piece) => {
        hash.update(piece);
        bytes += piece.byteLength;
        return this.doing(`write ${key}`, () => upload.write(piece));
      },
      commit: () => this.doing(`write ${key}`, commit),
      abort: () => upload.abort(),
    };
  }

  async get(key: string): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.read(key)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async *read(key: string): AsyncGenerator<Uint8Array> {
    const what = `read ${key}`;
    const { Body, ContentLength } = await this.doing(what, () =>
      this.send(what, (client, abortSignal) =>
        client.send(new GetObjectCommand(this.place(key)), { abortSignal }),
      ).catch((error: unknown) => {
        if (!isAbsent(error)) throw error;
        throw new SaiError("not_found", `no artifact ${key} in ${this.location}`, { cause: error });
      }),
    );
    let bytes = 0;
    for await (const piece of this.access.pieces(what, Body as Readable)) {
      bytes += piece.byteLength;
      yield piece;
    }
    if (ContentLength !== undefined && bytes !== ContentLength)
      throw s3Error(
        what,
        this.location,
        new Error(`${bytes} of ${ContentLength} bytes came, then the answer ended`),
      );
  }

  size(key: string): Promise<number | undefined> {
    const what = `look at ${key}`;
    const head = new HeadObjectCommand(this.place(key));
    const looked = async () =>
      (await this.send(what, (client, abortSignal) => client.send(head, { abortSignal }))).ContentLength;
    return this.doing(what, async () => {
      try {
        return await looked();
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      // What it is that was not found, only a GET says.
      const first = new GetObjectCommand(this.place(key));
      try {
        const { Body } = await this.send(what, (client, abortSignal) => client.send(first, { abortSignal }));
        (Body as Readable | undefined)?.destroy();
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
      // It was put there this moment.
      return looked();
    });
  }

  remove(key: string): Promise<void> {
    const what = `remove ${key}`;
    const gone = new DeleteObjectCommand(this.place(key));
    return this.doing(what, async () => {
      await this.send(what, (client, abortSignal) => client.send(gone, { abortSignal })).catch(
        (error: unknown) => {
          if (!isAbsent(error)) throw error;
        },
      );
    });
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for await (const { key } of this.entries(prefix)) yield key;
  }

  async *entries(prefix: string): AsyncGenerator<Entry> {
    const { bucket: Bucket, prefix: ours } = this.options;
    const what = `list ${prefix}`;
    for (let from: string | undefined, more = true; more; ) {
      const page = new ListObjectsV2Command({ Bucket, Prefix: ours + prefix, ContinuationToken: from });
      const found: ListObjectsV2CommandOutput = await this.doing(what, () =>
        this.send(what, (client, abortSignal) => client.send(page, { abortSignal })),
      );
      for (const { Key, Size = 0, LastModified } of found.Contents ?? []) {
        const writtenMs = LastModified?.getTime() ?? this.parts.clock.wallMs();
        if (Key !== undefined) yield { key: Key.slice(ours.length), bytes: Size, writtenMs };
      }
      from = found.NextContinuationToken;
      more = found.IsTruncated === true && from !== undefined;
    }
  }

  async removeLeftovers(olderThanMs: number): Promise<number> {
    const { bucket: Bucket, prefix: Prefix } = this.options;
    const what = "list uploads";
    let removed = 0;
    for (let from: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}; from; ) {
      const page = new ListMultipartUploadsCommand({ Bucket, Prefix, ...from });
      const found: ListMultipartUploadsCommandOutput = await this.doing(what, () =>
        this.send(what, (client, abortSignal) => client.send(page, { abortSignal })),
      );
      for (const { Key, UploadId, Initiated } of found.Uploads ?? []) {
        const ageMs = Initiated === undefined ? 0 : this.parts.clock.wallMs() - Initiated.getTime();
        if (Key === undefined || UploadId === undefined || ageMs <= olderThanMs) continue;
        if (!isOwnKey(Key.slice(Prefix.length))) continue;
        const abort = new AbortMultipartUploadCommand({ Bucket, Key, UploadId });
        await this.doing(`abort ${Key}`, () =>
          this.send(`abort ${Key}`, (client, abortSignal) => client.send(abort, { abortSignal })),
        );
        removed += 1;
      }
      const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = found;
      from = IsTruncated && KeyMarker ? { KeyMarker, ...(UploadIdMarker && { UploadIdMarker }) } : undefined;
    }
    return removed;
  }

  link(key: string, forS: number): Promise<string> {
    const get = new GetObjectCommand(this.place(key));
    return this.doing(`sign ${key}`, () => getSignedUrl(this.access.current(), get, { expiresIn: forS }));
  }

  async check(): Promise<string> {
    const key = `probe/check-${this.parts.random.id(16)}`;
    try {
      // The write first: it tells what is wrong with us in words, which a HEAD does not.
      await this.put(key, Buffer.from(this.parts.random.id(32)));
      // Who may not list is not told that a key is absent, but refused.
      await this.size(`${key}-absent`);
      return (await this.honours())
        ? "conditional writes are honoured"
        : "this server honours no conditional writes: keys are looked at before they are written";
    } finally {
      await this.remove(key).catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.access.close();
  }

  /**
   * Writes a key that nobody else has (invariant 1); false when it has the same bytes already. Throws already_exists if it
   * has others, unless the key is their hash: then what is there is damaged, and is replaced.
   */
  private async alone(
    key: string,
    wanted: Found,
    write: () => Promise<void>,
    upload: S3Upload,
  ): Promise<boolean> {
    const conditional = await this.honours();
    if (!conditional && (await this.size(key)) !== undefined) {
      if (await this.hasSame(key, wanted)) return false;
    }
    await write();
    try {
      await upload.complete(conditional);
    } catch (error) {
      // An upload that is not there any more was ended by this very request, whose first answer was lost.
      const ended = isEndedUpload(error);
      if (!isTaken(error) && !ended) throw error;
      if (await this.hasSame(key, wanted)) return false;
      if (ended) throw error;
      await upload.complete(false);
    }
    return true;
  }

  /** Whether what is there is the same; throws already_exists where it may not be replaced. */
  private async hasSame(key: string, wanted: Found): Promise<boolean> {
    const found = await this.found(key);
    if (found === undefined) return false;
    if (found.sha256 === wanted.sha256) return true;
    if (key === casKey(wanted.sha256)) return false;
    throw new SaiError("already_exists", `artifact ${key} in ${this.location} holds other bytes`);
  }

  /** Invariant 2. */
  private async readBack(key: string, wanted: Found): Promise<void> {
    let found = await this.found(key);
    if (found?.sha256 === wanted.sha256) return;
    // The answer may have been damaged on its way.
    found = await this.found(key);
    if (found?.sha256 === wanted.sha256) return;
    // Nobody else has this key; one that is a hash is replaced by whoever has its bytes.
    if (key !== casKey(wanted.sha256)) await this.remove(key);
    throw new NotKept(found?.bytes ?? 0, wanted.bytes);
  }

  private async found(key: string): Promise<Found | undefined> {
    const hash = createHash("sha256");
    let bytes = 0;
    try {
      for await (const piece of this.read(key)) {
        hash.update(piece);
        bytes += piece.byteLength;
      }
    } catch (error) {
      if (error instanceof SaiError && error.code === "not_found") return undefined;
      throw error;
    }
    return { sha256: hash.digest("hex"), bytes };
  }

  /** Whether the server honours conditional writes: a second one of the same key must be refused. */
  private honours(): Promise<boolean> {
    this.honoured ??= this.tryCondition().catch((error: unknown) => {
      this.honoured = undefined;
      throw error;
    });
    return this.honoured;
  }

  private async tryCondition(): Promise<boolean> {
    const key = `probe/condition-${this.parts.random.id(16)}`;
    const write = async (text: string) => {
      const upload = new S3Upload(this.access, this.place(key));
      await upload.write(Buffer.from(text));
      await upload.complete(true);
    };
    try {
      await write("first");
      await write("second");
      return false;
    } catch (error) {
      if (isTaken(error)) return true;
      if (isUnknownThere(error)) return false;
      throw error;
    } finally {
      await this.remove(key).catch(() => {});
    }
  }

  private place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.options.bucket, Key: this.options.prefix + checkedKey(key) };
  }

  private send<T>(what: string, asking: Asking<T>): Promise<T> {
    return this.access.ask(what, 0, asking);
  }

  private async doing<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw s3Error(what, this.location, error);
    }
  }
}

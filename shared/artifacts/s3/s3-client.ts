/**
 * The client of an S3 server: signed requests that end, whatever the server does. A request has a deadline that grows with
 * its bytes, and a body that falls silent is cut. Credentials that were refused are looked up anew for the next request,
 * so that a renewed file counts without a restart.
 */
import { S3Client } from "@aws-sdk/client-s3";
import { fromIni } from "@aws-sdk/credential-provider-ini";
import type { Clock } from "../../runtime/clock.js";
import type { ArtifactsConfig } from "../../runtime/config.js";
import { errorText, SaiError } from "../../runtime/errors.js";
import { isRefused, s3Error } from "./s3-errors.js";

export type S3Options = Omit<ArtifactsConfig, "kind" | "dir" | "bucket"> & { bucket: string };

export interface S3Limits {
  connectMs: number;
  /** Between two pieces of an answer, and for a small request as a whole. */
  silenceMs: number;
  /** The slowest transfer that is waited for, bytes a second. */
  leastBytesPerS: number;
  /** Tries of the client itself, for passing faults. */
  tries: number;
}

export const S3_LIMITS: S3Limits = {
  ...{ connectMs: 5_000, silenceMs: 30_000, leastBytesPerS: 256 * 1024, tries: 3 },
};

/** What one request is given: the client, and the signal of its deadline. */
export type Asking<T> = (client: S3Client, signal: AbortSignal) => Promise<T>;

export class S3Access {
  private client: S3Client | undefined;
  private closed = false;
  private connections: S3Client["config"]["requestHandler"] | undefined;

  constructor(
    private readonly options: S3Options,
    private readonly limits: S3Limits,
    private readonly clock: Clock,
    private readonly location: string,
  ) {}

  /** One request; `bytes` is what it moves. Throws what the client throws, or SaiError when it took too long. */
  async ask<T>(what: string, bytes: number, asking: Asking<T>): Promise<T> {
    const ms = this.limits.silenceMs + (bytes / this.limits.leastBytesPerS) * 1000;
    const late = new AbortController();
    const cancel = this.clock.after(ms, () => late.abort(this.tooLate(what, ms)));
    try {
      return await asking(this.current(), late.signal);
    } catch (error) {
      if (isRefused(error)) this.forget();
      if (late.signal.aborted) throw late.signal.reason;
      throw error;
    } finally {
      cancel();
    }
  }

  /**
   * The pieces of an answer's body: each within the limit of silence, and all together as fast as the slowest transfer that
   * is waited for. Time that the reader takes does not count.
   */
  async *pieces(what: string, body: NodeJS.ReadableStream): AsyncGenerator<Uint8Array> {
    const { silenceMs, leastBytesPerS } = this.limits;
    const stream = body as NodeJS.ReadableStream & { destroy(error?: Error): void };
    let leftMs = silenceMs;
    let sinceMs = 0;
    const begins = () => {
      sinceMs = this.clock.nowMs();
      const ms = Math.max(0, Math.min(silenceMs, leftMs));
      return this.clock.after(ms, () => stream.destroy(this.tooLate(what, silenceMs)));
    };
    let cancel = begins();
    try {
      for await (const piece of stream) {
        cancel();
        const bytes = piece as unknown as Uint8Array;
        leftMs += (bytes.byteLength / leastBytesPerS) * 1000 - (this.clock.nowMs() - sinceMs);
        yield bytes;
        cancel = begins();
      }
    } catch (error) {
      throw s3Error(what, this.location, error);
    } finally {
      cancel();
      stream.destroy();
    }
  }

  /** Throws unavailable after the close: connections that are made then would stay. */
  current(): S3Client {
    if (this.closed) throw new SaiError("unavailable", `${this.location} is closed`);
    this.client ??= makeClient(this.options, this.limits, this.connections);
    this.connections = this.client.config.requestHandler;
    return this.client;
  }

  close(): void {
    this.closed = true;
    this.connections?.destroy?.();
    this.client = undefined;
  }

  /** The next client has the same connections, so that requests under way go on. */
  private forget(): void {
    this.client = undefined;
  }

  private tooLate(what: string, ms: number): SaiError {
    const seconds = Math.round(ms / 1000);
    return new SaiError("unavailable", `cannot ${what} in ${this.location}: no answer within ${seconds} s`, {
      hint: "see whether the server at artifacts.endpoint runs and can be reached from here",
    });
  }
}

function makeClient(
  o: S3Options,
  limits: S3Limits,
  connections: S3Client["config"]["requestHandler"] | undefined,
): S3Client {
  const checks = o.checksums === "when_required" ? "WHEN_REQUIRED" : "WHEN_SUPPORTED";
  const credentials = credentialsOf(o);
  return new S3Client({
    region: o.region,
    forcePathStyle: o.forcePathStyle,
    ...(o.endpoint !== undefined && { endpoint: o.endpoint }),
    ...(credentials && { credentials }),
    requestChecksumCalculation: checks,
    responseChecksumValidation: checks,
    maxAttempts: limits.tries,
    requestHandler: connections ?? {
      connectionTimeout: limits.connectMs,
      socketTimeout: limits.silenceMs,
    },
  });
}

/** Undefined: where the AWS tools look. */
function credentialsOf(o: S3Options) {
  const { accessKeyId, secretAccessKey, credentialsFile } = o;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey };
  if (credentialsFile === undefined) return undefined;
  const read = fromIni({ filepath: credentialsFile, profile: o.profile, ignoreCache: true });
  return () =>
    read().catch((cause: unknown) => {
      throw Object.assign(new Error(`${credentialsFile}: ${errorText(cause)}`, { cause }), {
        name: "CredentialsProviderError",
      });
    });
}

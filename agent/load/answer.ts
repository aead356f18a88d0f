/**
 * A streamed chat as it arrives: server-sent events of the OpenAI API, of which only times and counts are kept.
 *
 * 1. A time is taken once for each piece of the body, before anything of it is looked at.
 * 2. A chunk with only a role is no token; a chunk counts when its content or reasoning is not empty.
 */
import type { RequestFailure, RequestSeen } from "./messages.js";

const MAX_LINE_CHARS = 1024 * 1024;

type Times = Omit<RequestSeen, "n" | "scheduledNs" | "sentNs" | "endNs">;

export class Answer {
  readonly seen: Times = { chunks: 0 };
  failure: RequestFailure | undefined;
  private rest = "";
  private isDone = false;

  /** A piece of the body that arrived at `atNs`. */
  take(piece: Buffer, atNs: number): void {
    this.seen.firstByteNs ??= atNs;
    const text = this.rest + piece.toString("utf8");
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      if (text.startsWith("data:", from)) this.event(text.slice(from + 5, end).trim(), atNs);
      from = end + 1;
    }
    this.rest = text.slice(from);
    if (this.rest.length > MAX_LINE_CHARS) this.fail({ kind: "garbage", message: "a line without an end" });
  }

  /** The body is over. */
  end(atNs: number): void {
    if (this.rest.startsWith("data:")) this.event(this.rest.slice(5).trim(), atNs);
    if (!this.isDone && this.seen.finish === undefined) this.fail({ kind: "cut" });
  }

  private event(data: string, atNs: number): void {
    if (this.failure || data === "") return;
    if (data === "[DONE]") {
      this.isDone = true;
      return;
    }
    const chunk = chunkOf(data);
    if (chunk === undefined || chunk.error) {
      this.fail(
        chunk
          ? { kind: "told", error: JSON.stringify({ error: chunk.error }) }
          : { kind: "garbage", message: `an event that is no JSON object: ${data.slice(0, 200)}` },
      );
      return;
    }
    const { seen } = this;
    if (chunk.usage) seen.usage = usageOf(chunk.usage);
    if (seen.servedAs === undefined && typeof chunk.model === "string") seen.servedAs = chunk.model;
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    const { content, refusal, reasoning_content, reasoning } = choice.delta ?? {};
    if (isText(content) || isText(reasoning_content) || isText(reasoning)) {
      seen.chunks += 1;
      seen.firstTokenNs ??= atNs;
      if (isText(content)) seen.firstOutputNs ??= atNs;
      seen.lastTokenNs = atNs;
    }
    if (isText(refusal)) seen.refused = true;
    if (isText(choice.finish_reason)) seen.finish = choice.finish_reason;
  }

  private fail(failure: RequestFailure): void {
    this.failure ??= failure;
  }
}

/** What of a chunk is looked at; nothing of it can be relied on. */
interface Chunk {
  error?: unknown;
  model?: unknown;
  usage?: { [field: string]: unknown } | null;
  choices?: { delta?: { [field: string]: unknown }; finish_reason?: unknown }[];
}

function chunkOf(data: string): Chunk | undefined {
  try {
    const chunk: unknown = JSON.parse(data);
    return typeof chunk === "object" && chunk !== null ? chunk : undefined;
  } catch {
    return undefined;
  }
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

function usageOf(usage: { [field: string]: unknown }): NonNullable<RequestSeen["usage"]> {
  const inner = (field: string, key: string): unknown => {
    const details = usage[field];
    return typeof details === "object" && details !== null
      ? (details as { [key: string]: unknown })[key]
      : undefined;
  };
  const found = {
    in: usage["prompt_tokens"],
    out: usage["completion_tokens"],
    reasoning: inner("completion_tokens_details", "reasoning_tokens"),
    cached: inner("prompt_tokens_details", "cached_tokens"),
  };
  return Object.fromEntries(Object.entries(found).filter(([, n]) => typeof n === "number"));
}

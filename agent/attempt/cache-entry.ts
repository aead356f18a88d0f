/**
 * One answer in the response cache, as bytes that prove themselves: the SHA-256 of the second line, and that line, which
 * names its key. What the hash does not fit, or another key is in, is damaged, whoever wrote it.
 */
import { z } from "zod";
import { sha256 } from "../../shared/runtime/hash.js";
import type { EngineDone } from "../engines/engine.js";

export interface CachedAnswer {
  text: string;
  /** A filter, a tool or an error is nothing to be taken for an answer again. */
  finish: "stop" | "length";
  tokens: EngineDone["tokens"];
  flags: string[];
}

const tokenCount = z.number().nonnegative().optional();
const entry = z.object({
  key: z.string(),
  /** When it was given, ms since 1970. */
  atMs: z.number(),
  answer: z.object({
    text: z.string(),
    finish: z.enum(["stop", "length"]),
    tokens: z.object({
      ...{ in: tokenCount, out: tokenCount, reasoning: tokenCount, cached: tokenCount },
      source: z.enum(["server", "none"]),
    }),
    flags: z.array(z.string()),
  }),
});

export function entryBytes(key: string, atMs: number, answer: CachedAnswer): Buffer {
  const line = JSON.stringify({ key, atMs, answer });
  return Buffer.from(`${sha256(Buffer.from(line))}\n${line}\n`);
}

/** What is in an entry, or why it cannot be believed. */
export function readEntry(
  bytes: Buffer,
  key: string,
): { ok: true; atMs: number; answer: CachedAnswer } | { ok: false; why: string } {
  const [hash, line = "", ...rest] = bytes.toString("utf8").split("\n");
  if (hash !== sha256(Buffer.from(line)) || rest.join("") !== "")
    return { ok: false, why: "its hash does not fit" };
  let read: ReturnType<typeof entry.safeParse>;
  try {
    read = entry.safeParse(JSON.parse(line));
  } catch {
    return { ok: false, why: "it is no JSON" };
  }
  if (!read.success) return { ok: false, why: "it is no answer" };
  if (read.data.key !== key) return { ok: false, why: `it is that of ${read.data.key}` };
  return { ok: true, atMs: read.data.atMs, answer: read.data.answer as CachedAnswer };
}

/** What may be given again: a whole answer of the model that was asked; undefined otherwise. */
export function cacheable({ text, finish, tokens, flags, refused }: EngineDone): CachedAnswer | undefined {
  if (refused || (finish !== "stop" && finish !== "length")) return undefined;
  // Another version answered than was asked.
  if (flags.some((flag) => flag.startsWith("served_as:"))) return undefined;
  return { text, finish, tokens, flags };
}

/** What the scripted server answers, as an OpenAI-compatible server streams it, and what it notes of it. */

export const MODEL = "scripted:1b";

/** An answer: the role at once, then tokens, then the end of the answer, its usage and `[DONE]`. */
export interface Script {
  tokens: number;
  /** The first token comes so long after the request; those of request n are 0 to 9 ms later, in no rhythm. */
  firstMs: number;
  gapMs: number;
  /** From the last token to the end. */
  endMs: number;
}

/** As large models answer: 20 ms a token, 470 ms in all. */
export const PACED: Script = { tokens: 20, firstMs: 60, gapMs: 20, endMs: 30 };
/** All in one piece, as fast as it can be written. */
export const AT_ONCE: Script = { tokens: 8, firstMs: 0, gapMs: 0, endMs: 0 };

/** One request as the server saw it, ns of CLOCK_MONOTONIC; the times of tokens are from just before each was written. */
export interface Served {
  /** By which its client finds it again: what stood in brackets in its prompt. */
  key: string;
  receivedNs: number;
  firstNs: number;
  lastNs: number;
  doneNs: number;
}

export interface Parts {
  role: string;
  token: string;
  end: string;
}

/** Server-sent events; every token is the same word. */
export function partsOf({ tokens }: Script): Parts {
  const about = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: MODEL };
  const event = (more: object) => `data: ${JSON.stringify({ ...about, ...more })}\n\n`;
  const choice = (delta: object, finish_reason: string | null = null) => ({
    choices: [{ index: 0, delta, finish_reason }],
  });
  const usage = { prompt_tokens: 16, completion_tokens: tokens, total_tokens: 16 + tokens };
  return {
    role: event(choice({ role: "assistant", content: "" })),
    token: event(choice({ content: " word" })),
    end: `${event(choice({}, "length"))}${event({ choices: [], usage })}data: [DONE]\n\n`,
  };
}

/** The two sides: our load generator, started and told as an agent does, and the bare loop. Each run is a process. */
import { GENERATOR_FLAGS } from "../../agent/load/generators.js";
import {
  type FromGenerator,
  GENERATOR_PROTOCOL,
  type GeneratorPlan,
  type RequestSeen,
} from "../../agent/load/messages.js";
import { MOST_REQUESTS } from "../../shared/benchmark/load/load-spec.js";
import { compiled } from "../support/compiled.js";
import { startLineProgram } from "../support/line-child.js";
import type { BareRequest } from "./bare-loop.js";
import type { Seen } from "./figures.js";
import { MODEL } from "./script.js";

export interface Load {
  url: string;
  atOnce: number;
  seconds: number;
}

const DRAIN_MS = 10_000;
const path = (file: string) => compiled(new URL(file, import.meta.url)).pathname;
/** A chat of some sixteen tokens, around the place of its key. */
const [HEAD, TAIL] = JSON.stringify({
  model: MODEL,
  messages: [
    { role: "user", content: "|say so many words that nobody could ever want to hear any more of them" },
  ],
  ...{ max_tokens: 64, stream: true, stream_options: { include_usage: true } },
}).split("|") as [string, string];

/** What a level of a closed loop of ours sees. Throws when a request fails. */
export async function ours({ url, atOnce, seconds }: Load): Promise<Seen[]> {
  const plan: GeneratorPlan = {
    v: GENERATOR_PROTOCOL,
    ...{ url: chats(url), headers: {}, bodies: [{ head: HEAD, tail: TAIL }], bust: "ours", warmup: 8 },
    flow: { kind: "closed", atOnce },
    ...{ durationMs: seconds * 1000, drainMs: DRAIN_MS, timeoutMs: 60_000, maxRequests: MOST_REQUESTS },
  };
  const child = startLineProgram(process.execPath, [
    ...GENERATOR_FLAGS,
    path("../../agent/load/child/main.ts"),
  ]);
  try {
    child.send(plan);
    const requests: RequestSeen[] = [];
    for (;;) {
      const message = (await child.next()) as FromGenerator;
      if (message.event === "failed") throw new Error(message.message);
      if (message.event === "requests") requests.push(...message.requests);
      if (message.event === "over") return requests.map(seenFrom(Number(message.window.beganMonotonicNs)));
    }
  } finally {
    await child.end();
  }
}

const seenFrom =
  (beganNs: number) =>
  ({ n, sentNs = 0, firstTokenNs = 0, lastTokenNs = 0, endNs, usage, failure }: RequestSeen): Seen => {
    if (failure !== undefined) throw new Error(`request ${n} failed: ${JSON.stringify(failure)}`);
    return {
      key: `ours ${n}`,
      ...{ sentNs: beganNs + sentNs, firstNs: beganNs + firstTokenNs, lastNs: beganNs + lastTokenNs },
      ...{ doneNs: beganNs + endNs, tokens: usage?.out ?? 0 },
    };
  };

/** The same by the bare loop. */
export async function bare({ url, atOnce, seconds }: Load): Promise<Seen[]> {
  const child = startLineProgram(process.execPath, [...GENERATOR_FLAGS, path("./bare-loop.ts")]);
  try {
    const about: BareRequest = {
      url: chats(url),
      head: HEAD,
      tail: TAIL,
      atOnce,
      seconds,
      most: MOST_REQUESTS,
    };
    child.send(about);
    return (await child.next()) as Seen[];
  } finally {
    await child.end();
  }
}

const chats = (url: string): string => `${url}/v1/chat/completions`;

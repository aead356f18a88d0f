/**
 * What both sides of the comparison do: a list of short streamed answers with known delays, and the campaign that asks
 * for them. Requests are a multiple of concurrency × shard size, so that neither side ends with idle slots that the
 * other does not have.
 */
import type { ScriptedReply } from "../../test/support/scripted-server.js";

export const MODEL = "scripted:1b";
/** Streams at once: the agent's remote slots, and the bare loop's workers. */
export const CONCURRENCY = 8;
/** Samples an attempt; the suite format's default. */
export const SHARD_SIZE = 16;

const TEXT_CHUNKS = 40;
const BETWEEN_MS = 5;
/** The first chunk comes after 40 to 60 ms, in a fixed order that has no rhythm of its own. */
const firstDelayMs = (index: number): number => 40 + ((index * 13) % 21);

/** One reply a request, in order of arrival. */
export const replies = (requests: number): ScriptedReply[] =>
  Array.from({ length: requests }, (_, index) => ({
    beforeFirstMs: firstDelayMs(index),
    betweenMs: BETWEEN_MS,
    chunks: Array.from({ length: TEXT_CHUNKS }, (_, chunk) => `word${chunk} `),
    usage: { in: 12, out: TEXT_CHUNKS },
  }));

/** What the delays alone add up to, ms: no client can be faster. */
export const delaysMs = (requests: number): number => {
  const ofOne = (index: number) => firstDelayMs(index) + TEXT_CHUNKS * BETWEEN_MS;
  return Array.from({ length: requests }, (_, i) => ofOne(i)).reduce((a, b) => a + b, 0) / CONCURRENCY;
};

/** The text of one request, by which the server's times of it are found again; `index` is the sample's ordinal. */
export const question = (index: number): string => `Question ${index}: say forty words.`;

/** The campaign's suite, as JSON, with its items inline. */
export const suite = (requests: number): string =>
  JSON.stringify({
    schema: "sai/v1",
    name: "overhead",
    description: "A campaign against a scripted server, to see what the campaign itself costs.",
    prompts: [{ id: "ask", template: "{{ input }}" }],
    models: [{ id: "scripted", engine: "openai", model: MODEL }],
    datasets: [
      {
        id: "questions",
        items: Array.from({ length: requests }, (_, i) => ({ input: question(i), target: "word0" })),
      },
    ],
    metrics: ["contains", "latency", "throughput"],
    engine_config: { temperature: 0, max_tokens: 64 },
    run: { shard_size: SHARD_SIZE },
  });

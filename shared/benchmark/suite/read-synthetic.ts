import type { Fields } from "./fields.js";
import type { SyntheticSpec } from "./suite-types.js";

const MOST_ITEMS = 100_000;
const MOST_TOKENS = 1_000_000;
/** A manifest holds all the texts. */
const MOST_WORDS = 50_000_000;

/** A dataset of `type: synthetic`. */
export function readSynthetic(entry: Fields): SyntheticSpec | undefined {
  const tokens = { min: 1, max: MOST_TOKENS, integer: true };
  const inputTokens = entry.number("input_tokens", tokens);
  const outputTokens = entry.number("output_tokens", tokens);
  const prefixTokens = entry.number("prefix_tokens", { ...tokens, min: 0 }) ?? 0;
  const n = entry.number("n", { min: 1, max: MOST_ITEMS, integer: true }) ?? 100;
  const seed = entry.number("seed", { min: 0, max: 2 ** 31 - 1, integer: true }) ?? 0;
  const { findings } = entry;
  if (!entry.has("input_tokens"))
    findings.error(entry.path("input_tokens"), "input_tokens is missing", "how long each text is to be");
  if (inputTokens === undefined) return undefined;
  if (prefixTokens > inputTokens) {
    findings.error(
      entry.path("prefix_tokens"),
      `${prefixTokens} of ${inputTokens} input tokens cannot be the same in all texts`,
      "input_tokens counts the prefix",
    );
    return undefined;
  }
  if (n * inputTokens > MOST_WORDS) {
    const message = `${n} texts of ${inputTokens} tokens are too many; the limit is ${MOST_WORDS} tokens together`;
    findings.error(entry.path("n"), message, "lower n: items are used again when all were sent");
    return undefined;
  }
  return { n, inputTokens, prefixTokens, seed, ...(outputTokens !== undefined && { outputTokens }) };
}

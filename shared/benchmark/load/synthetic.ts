/**
 * Texts made up for load, the same for the same seed. They are of common short English words, of which the tokenizers of
 * today's models make about one token each; what a server counted stands in the records.
 */
import type { Item } from "../item.js";
import { seededRandom } from "../seeded.js";
import type { SyntheticSpec } from "../suite/suite-types.js";

/** Of an item: how many tokens its answer is to have. */
export const OUTPUT_COLUMN = "output_tokens";
/** Of an item without an input: how many tokens to make one of. */
const INPUT_COLUMN = "input_tokens";

const WORDS = (
  "time year people way day man thing woman life child world school state family student group country problem hand " +
  "part place case week company system program question work number night point home water room mother area money " +
  "story fact month lot right study book eye job word business issue side kind head house service friend father power " +
  "hour game line end member law car city name team minute idea body back parent face others level office door health " +
  "person art war history party result change morning reason research girl guy moment air teacher force education good " +
  "new first last long great little own other old right big high different small large next early young important few " +
  "public bad same able green red blue north south east west open close find give tell ask seem feel try leave call"
).split(" ");

/** An item with nothing but a number of input tokens, as traces have them, is given a text of about as many. */
export function fillInput(item: Item, ordinal: number): void {
  const tokens = Number(item.vars?.[INPUT_COLUMN]);
  if (item.input === undefined && Number.isSafeInteger(tokens) && tokens > 0 && tokens <= MOST_TOKENS)
    item.input = wordsOf(tokens, ordinal);
}
const MOST_TOKENS = 1_000_000;

/** So many words, with spaces between them. */
function wordsOf(n: number, seed: number): string {
  const random = seededRandom(seed);
  return Array.from({ length: n }, () => WORDS[Math.floor(random() * WORDS.length)]).join(" ");
}

/** Rows of a dataset: `input`, and `output_tokens` where it is said. */
export function syntheticRows(spec: SyntheticSpec): { input: string; output_tokens?: number }[] {
  const { n, inputTokens, outputTokens, prefixTokens, seed } = spec;
  const prefix = wordsOf(prefixTokens, seed);
  return Array.from({ length: n }, (_, i) => {
    // Seeds that lie far apart: those of two datasets with neighbouring seeds have no item in common.
    const own = wordsOf(inputTokens - prefixTokens, (seed + 1) * 1_000_003 + i);
    const input = [prefix, own].filter((text) => text !== "").join(" ");
    return outputTokens === undefined ? { input } : { input, [OUTPUT_COLUMN]: outputTokens };
  });
}

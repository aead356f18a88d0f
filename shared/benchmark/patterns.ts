import { RE2JS } from "re2js";

const MAX_PATTERN_LENGTH = 1_000;
/** Counted repetitions such as a{1,100} are written out by RE2, so that their sum bounds the time of a match. */
const MAX_REPEATS = 200;

/**
 * Why a text cannot be used as a pattern; undefined if it can. All patterns of users are RE2, whose matches take time
 * linear in the text; length and repetitions are limited, because they are the other factor.
 */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) return `it has more than ${MAX_PATTERN_LENGTH} characters`;
  const counts = [...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].map(([, low, high]) => Number(high || low));
  if (counts.reduce((sum, count) => sum + count, 0) > MAX_REPEATS) {
    return `its counted repetitions add up to more than ${MAX_REPEATS}`;
  }
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The last group of the first match, or the whole match of a pattern without groups; undefined without a match. */
export function extractFirst(pattern: string, text: string): string | undefined {
  const matcher = RE2JS.compile(pattern).matcher(text);
  if (!matcher.find()) return undefined;
  for (let group = matcher.groupCount(); group > 0; group--) {
    const found = matcher.group(group);
    if (found !== null && found !== undefined) return found;
  }
  return matcher.group() ?? undefined;
}

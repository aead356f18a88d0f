import { RE2JS } from "re2js";

/** Why a text is no RE2 pattern; undefined if it is one. All patterns of users are RE2: no input can make them slow. */
export function patternProblem(pattern: string): string | undefined {
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

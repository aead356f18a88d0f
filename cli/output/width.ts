/**
 * How many terminal columns a text takes: wide East Asian characters and emoji take two, combining marks and joiners
 * none. An approximation of Unicode's East Asian Width (UAX #11) by ranges, enough to keep columns aligned.
 */
const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with a control character
const ANSI = /\u001b\[[0-9;]*m/g;
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;
const INVISIBLE = /^[\p{Mark}\u200b-\u200f\u2060\ufeff]+$/u;

/** Columns of `text` on one line; colour sequences count nothing. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of segmenter.segment(text.replace(ANSI, ""))) {
    if (INVISIBLE.test(segment)) continue;
    width += WIDE.test(segment) || EMOJI.test(segment) ? 2 : 1;
  }
  return width;
}

/** `text` with spaces up to `width` columns, on the left for numbers. */
export function pad(text: string, width: number, align: "left" | "right" = "left"): string {
  const spaces = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "left" ? text + spaces : spaces + text;
}

/** `text` cut to `width` columns, with an ellipsis where something was cut. Colours must be applied afterwards. */
export function clip(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    const w = displayWidth(segment);
    if (used + w > width - 1) break;
    kept += segment;
    used += w;
  }
  return `${kept}…`;
}

/** Text from elsewhere made safe for a terminal: line breaks and control characters become visible. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => (c === "\n" ? "⏎" : c === "\t" ? " " : "·"));
}

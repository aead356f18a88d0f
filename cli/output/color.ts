/** The few colours used, and only on a terminal: a redirected table has no escape sequences. */
const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
export type Color = keyof typeof CODES;
export type Paint = (text: string, ...colors: Color[]) => string;

/** A painter that leaves the text alone when colours are off. */
export function painter(enabled: boolean): Paint {
  if (!enabled) return (text) => text;
  return (text, ...colors) =>
    colors.length === 0 || text === ""
      ? text
      : `\u001b[${colors.map((c) => CODES[c]).join(";")}m${text}\u001b[0m`;
}

/**
 * Safe markup: the only way text gets into the report. The `html` tag escapes every interpolated string; only a
 * Markup, which only this module makes, passes as it is. So a hostile model name or output can be shown, never run.
 * Characters that would hide or reorder text (controls, bidi overrides, zero-width spaces) are shown as `\u202E`.
 */
export class Markup {
  constructor(readonly text: string) {}
}

export type Part = Markup | string | number | undefined | false | readonly Part[];

/** Template tag for HTML and SVG; attributes must stand in double quotes. Numbers must be finite (RangeError). */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  let text = strings[0] ?? "";
  for (let i = 0; i < parts.length; i++) text += render(parts[i]) + (strings[i + 1] ?? "");
  return new Markup(text);
}

export const nothing = new Markup("");

/** A name from outside, isolated so that right-to-left text cannot reorder what stands around it. */
export const name = (text: string): Markup => html`<bdi>${text === "" ? "(no name)" : text}</bdi>`;

/** Markup-significant characters as entities, invisible and reordering ones as visible escapes. */
export function escapeText(text: string): string {
  return visible(text).replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Text with hidden characters made visible; tab and line feed stay. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (c) =>
    c === "\n" || c === "\t"
      ? c
      : `\\u${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`,
  );
}

/** Controls, lone surrogates, line separators, bidi controls, zero-width and tag characters; joiners stay. */
const HIDDEN =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Noncharacter_Code_Point}\u00AD\u200B\u2060-\u2064\uFEFF\u{E0000}-\u{E007F}]/gu;

function render(part: Part): string {
  if (part === undefined || part === false) return "";
  if (part instanceof Markup) return part.text;
  if (typeof part === "string") return escapeText(part);
  if (typeof part !== "number") return part.map(render).join("");
  if (!Number.isFinite(part)) throw new RangeError(`${part} cannot stand in a report`);
  return String(part);
}

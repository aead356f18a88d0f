/**
 * XML text: what JUnit readers take. Characters that XML 1.0 does not know at all (most controls, lone surrogates) are shown as
 * `\u001B`, since not even an entity may name them.
 */
export function xmlText(text: string): string {
  return text
    .replace(NOT_IN_XML, (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`)
    .replace(/[&<>"'\r\n\t]/g, (c) => `&#${c.charCodeAt(0)};`);
}

// A pair of surrogates is one character here; what is left of them is alone.
const NOT_IN_XML = /[\p{Cs}\uFFFE\uFFFF]|(?![\t\n\r])\p{Cc}/gu;

/**
 * The text of `nvidia-smi -q` as a tree. A line is a section (`FB Memory Usage`) or a field (`Total : 81559 MiB`);
 * deeper indentation belongs to the line above it. Names repeat (`MIG Device`, `Process ID`) and keep their order.
 * The text is read rather than `-q -x`: both say the same, and this needs no XML parser.
 */
export interface Section {
  name: string;
  /** Undefined for a line without a colon. */
  value: string | undefined;
  children: Section[];
}

/** Reads the whole text. Anything is a tree; whether it makes sense is for whoever asks it. */
export function parseQuery(text: string): Section {
  const root: Section = { name: "", value: undefined, children: [] };
  const open: { indent: number; section: Section }[] = [{ indent: -1, section: root }];
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const indent = line.length - line.trimStart().length;
    while ((open.at(-1)?.indent ?? -1) >= indent) open.pop();
    const section = sectionOf(line.trim());
    (open.at(-1)?.section ?? root).children.push(section);
    open.push({ indent, section });
  }
  return root;
}

/** A name may hold colons (`GPU 00000000:00:09.0`); the one that ends it stands after a space. */
function sectionOf(line: string): Section {
  const match = /^(.*?)\s+:(?:\s+(.*))?$/.exec(line);
  const [, name = line, value = ""] = match ?? [];
  return { name, value: match ? value : undefined, children: [] };
}

export const sections = (of: Section | undefined, name: string): Section[] =>
  of?.children.filter((child) => child.name === name) ?? [];

/** The value at a path of names, the first of each; undefined where nothing stands or nvidia-smi has no answer. */
export function valueAt(of: Section | undefined, ...path: string[]): string | undefined {
  let at = of;
  for (const name of path) at = sections(at, name)[0];
  return at?.value === undefined ? undefined : known(at.value);
}

/** The first path that has a value: names changed between drivers. */
export function firstValue(of: Section, ...paths: readonly (readonly string[])[]): string | undefined {
  for (const path of paths) {
    const value = valueAt(of, ...path);
    if (value !== undefined) return value;
  }
  return undefined;
}

const NO_ANSWER =
  /^(\[.*\]|n\/a|not supported|not available|insufficient permissions|unknown error|requested functionality has been deprecated)$/i;

/** What nvidia-smi says instead of a value it does not have (`[N/A]`, `[GPU requires reset]`, `N/A`, …) is no value. */
export const known = (value: string): string | undefined => {
  const said = value.trim();
  return said === "" || NO_ANSWER.test(said) ? undefined : said;
};

/** `81559 MiB`, `71.27 W`, `0 %`, `0`: the number in front; undefined for anything else. */
export function numberIn(value: string | undefined): number | undefined {
  const match = /^(-?\d+(?:\.\d+)?)(?:\s*(?:MiB|W|MHz|C|%|us|ms|J|mJ))?$/.exec(value?.trim() ?? "");
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** A number that counts or names: an integer of 0 to 2^32 - 1; undefined for any other. */
export function countIn(value: string | undefined): number | undefined {
  const count = numberIn(value);
  return count !== undefined && count >>> 0 === count ? count : undefined;
}

const MIB = 1024 ** 2;
/** `81559 MiB` in whole bytes; undefined for less than none and for more than a double counts. */
export function bytesIn(value: string | undefined): number | undefined {
  const bytes = Math.round((numberIn(value) ?? Number.NaN) * MIB);
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}

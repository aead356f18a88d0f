/**
 * The ladder: small text tasks whose answers are known because they are generated, from copying a word up to sums of
 * three digits. The smallest language models stand on some rungs and fall off others, so a campaign over it shows
 * levels that differ, where a grown-up benchmark would show zero.
 */
import { seededRandom } from "../../shared/benchmark/seeded.js";

export const LEVELS = ["copy", "extract", "sum-1", "sum-2", "sum-3"] as const;
export type LadderLevel = (typeof LEVELS)[number];

export interface LadderItem {
  /** `<level>-<nn>`. */
  id: string;
  level: LadderLevel;
  /** The task as one line. */
  input: string;
  target: string;
}

const WORDS =
  "anchor basket candle desert engine forest garden hammer island jacket kettle ladder market needle orange pencil " +
  "rabbit saddle tunnel violin walnut yellow zipper bridge copper dragon falcon goblet helmet lantern";
const NAMES = "Ada Ben Cleo Dan Eva Finn Gita Hugo Iris Jon Kira Leo Mona Nils Olga Paul";
const PLACES = "Lima Oslo Rome Cairo Delhi Paris Quito Seoul Tunis Vienna Dublin Prague";
const THINGS = "apples books coins drums eggs forks hats keys";

/** `perLevel` items of each level, levels in order; the same seed gives the same items. No two inputs are equal. */
export function ladder(seed: number, perLevel = 12): LadderItem[] {
  const random = seededRandom(seed);
  const seen = new Set<string>();
  return LEVELS.flatMap((level) =>
    Array.from({ length: perLevel }, (_, i) => {
      let task = make(level, random);
      while (seen.has(task.input)) task = make(level, random);
      seen.add(task.input);
      return { id: `${level}-${String(i + 1).padStart(2, "0")}`, level, ...task };
    }),
  );
}

function make(level: LadderLevel, random: () => number): { input: string; target: string } {
  const below = (n: number) => Math.floor(random() * n);
  const one = (list: string) => {
    const all = list.split(" ");
    return all[below(all.length)] ?? "";
  };
  switch (level) {
    case "copy": {
      const text = `${one(WORDS)} ${10 + below(90)} ${one(WORDS)}`;
      return { input: `Copy: ${text}`, target: text };
    }
    case "extract": {
      const [name, place, count, thing] = [one(NAMES), one(PLACES), 2 + below(8), one(THINGS)];
      const text = `${name} lives in ${place} and has ${count} ${thing}.`;
      const asked = below(2) === 0;
      return asked
        ? { input: `${text} Where does ${name} live?`, target: place }
        : { input: `${text} How many ${thing} does ${name} have?`, target: String(count) };
    }
    default: {
      const digits = Number(level.slice("sum-".length));
      const low = digits === 1 ? 1 : 10 ** (digits - 1);
      const number = () => low + below(10 ** digits - low);
      const [a, b] = [number(), number()];
      return { input: `${a} + ${b} =`, target: String(a + b) };
    }
  }
}

/** A number with its noun: `1 sample`, `2 samples`, `0 samples`. For nouns that only take an s. */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

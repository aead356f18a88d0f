import { randomBytes } from "node:crypto";

/** Randomness as everything here sees it; passed in, so that a seed can decide it. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `n` characters of [0-9a-z]. */
  id(n: number): string;
}

const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz";

export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  id: (n) => Array.from({ length: n }, () => DIGITS[Math.floor(systemRandom.next() * 36)]).join(""),
};

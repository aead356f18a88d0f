/** The first part: both sides read the same scripted streams in turns, at each number of streams at once. */
import { ask } from "../support/asking.js";
import type { LineChild } from "../support/line-child.js";
import { ERRORS, type ErrorsMs, errorsOf, median, type Seen, type Spread, spread } from "./figures.js";
import { PACED } from "./script.js";
import type { ServerQuestions } from "./server.js";
import { bare, type Load, ours } from "./sides.js";

export const LEVELS = [1, 32, 256] as const;

export interface LevelErrors {
  atOnce: number;
  figures: { [what in (typeof ERRORS)[number]]: { ours: Spread; bare: Spread; differenceP99: number } };
}

/** `differenceP99`: the median over the rounds of ours − bare loop's. */
export async function measureErrors(
  server: LineChild,
  url: string,
  shape: { rounds: number; seconds: number },
  say: (text: string) => void,
): Promise<LevelErrors[]> {
  const side = async (run: (load: Load) => Promise<Seen[]>, atOnce: number) => {
    await ask<ServerQuestions, "play">(server, "play", PACED);
    const seen = await run({ url, atOnce, seconds: shape.seconds });
    return errorsOf(seen, await ask<ServerQuestions, "seen">(server, "seen", {}));
  };
  const levels: LevelErrors[] = [];
  for (const atOnce of LEVELS) {
    const rounds: { ours: ErrorsMs; bare: ErrorsMs }[] = [];
    for (let round = 0; round < shape.rounds; round += 1) {
      say(`${atOnce} at once, round ${round + 1} of ${shape.rounds}`);
      // In turns: whatever drifts meets both sides alike.
      const early = round % 2 === 1 ? await side(bare, atOnce) : undefined;
      const mine = await side(ours, atOnce);
      rounds.push({ ours: mine, bare: early ?? (await side(bare, atOnce)) });
    }
    const figures = ERRORS.map((what) => {
      const pooled = (whose: "ours" | "bare") => spread(rounds.flatMap((round) => round[whose][what]));
      const differenceP99 = median(
        rounds.map((round) => spread(round.ours[what]).p99 - spread(round.bare[what]).p99),
      );
      return [what, { ours: pooled("ours"), bare: pooled("bare"), differenceP99 }] as const;
    });
    levels.push({ atOnce, figures: Object.fromEntries(figures) as LevelErrors["figures"] });
  }
  return levels;
}

/**
 * Flipped samples: right on one side and wrong on the other. Of metrics that are more than right or wrong, those that
 * changed by half a point or more. They are chosen by rule: the greatest changes first, then in the dataset's order.
 */
import type { Pair } from "../aggregate-pairs.js";
import { labelAccuracy } from "../metrics/binary.js";
import { definitionOf } from "../metrics/definition.js";
import type { Reading } from "../metrics/reading.js";
import type { Sample } from "../metrics/sample.js";
import type { MetricSpec } from "../plan.js";

/** A flip by its places; a mark is 0 to 1, and 1 is right. */
export interface FlipRef {
  kind: "lost" | "won";
  level: string;
  repetition: number;
  base: { ordinal: number; mark: number };
  candidate: { ordinal: number; mark: number };
}

const CHANGED = 0.5;

/** At most `most` each way, and how many there are. */
export function chooseFlips(
  spec: MetricSpec,
  pairs: readonly Pair[],
  most: number,
): { lost: number; won: number; flips: FlipRef[] } {
  const definition = definitionOf(spec);
  if (definition?.what.kind !== "quality") return { lost: 0, won: 0, flips: [] };
  const { readings } = definition.what;
  const reading = pairs.flatMap(({ b }) => readings.find((one) => one.hasTruth(b)) ?? [])[0];
  const flips = pairs.flatMap((pair) => flipOf(pair, reading, definition.higherIsBetter));
  const chosen = (kind: FlipRef["kind"]) =>
    flips
      .filter((flip) => flip.kind === kind)
      .sort((x, y) => size(y) - size(x) || x.base.ordinal - y.base.ordinal);
  const [lost, won] = [chosen("lost"), chosen("won")];
  return { lost: lost.length, won: won.length, flips: [...lost.slice(0, most), ...won.slice(0, most)] };
}

const size = ({ base, candidate }: FlipRef): number => Math.abs(candidate.mark - base.mark);

function flipOf({ a, b }: Pair, reading: Reading | undefined, higherIsBetter: boolean): FlipRef[] {
  const [ofBase, ofCandidate] = [b, a].map((sample) => markOf(sample, reading, higherIsBetter));
  if (ofBase === undefined || ofCandidate === undefined || Math.abs(ofCandidate - ofBase) < CHANGED)
    return [];
  return [
    {
      kind: ofCandidate < ofBase ? "lost" : "won",
      ...{ level: b.level ?? "", repetition: b.repetition },
      base: { ordinal: b.ordinal, mark: ofBase },
      candidate: { ordinal: a.ordinal, mark: ofCandidate },
    },
  ];
}

/** Whichever part of the confusion matrix a metric is about: its samples are right or wrong by their label. */
function markOf(sample: Sample, reading: Reading | undefined, higherIsBetter: boolean): number | undefined {
  if (reading === undefined) return undefined;
  const row = (reading.binary ? labelAccuracy : reading).row(sample);
  if (row === undefined || row.den === 0) return undefined;
  const value = Math.min(1, Math.max(0, row.num / row.den));
  return higherIsBetter || reading.binary ? value : 1 - value;
}

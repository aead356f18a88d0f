/**
 * One look per model, the same in every figure of a report: a colour-blind-safe colour (after Okabe and Ito,
 * https://jfly.uni-koeln.de/color/), a marker shape and a dash, so that no figure depends on colour alone.
 */
export interface Look {
  /** Index of the colour, a CSS class `m0` … `m7`. */
  color: number;
  shape: Shape;
  /** SVG stroke-dasharray; empty for a solid line. */
  dash: string;
}

const SHAPES = ["circle", "square", "diamond", "up", "down", "hexagon", "plus"] as const;
export type Shape = (typeof SHAPES)[number];
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

/** Hues in light and in dark, each with a contrast of 3:1 or more against its background. */
export const LIGHT = ["#0072b2", "#d55e00", "#00855f", "#b0498f", "#a36d00", "#3b8fc9", "#6a51a3", "#5c5c5c"];
export const DARK = ["#58b0ea", "#ff8f4d", "#2fc79c", "#e79ccb", "#efbb45", "#a5d8ff", "#b9a6f2", "#c4c4c4"];

/** Looks by model id, in order of first appearance. 8 colours × 7 shapes: 56 models differ. */
export function assignLooks(models: readonly string[]): Map<string, Look> {
  const looks = new Map<string, Look>();
  for (const model of models) {
    if (looks.has(model)) continue;
    const i = looks.size;
    looks.set(model, {
      color: i % LIGHT.length,
      shape: SHAPES[i % SHAPES.length] ?? "circle",
      dash: DASHES[Math.floor(i / LIGHT.length) % DASHES.length] ?? "",
    });
  }
  return looks;
}

/** Which cells of prompts × models × datasets a suite runs. */
import type { MatrixRule, Suite } from "./suite/suite-types.js";

export interface CellIds {
  prompt: string;
  model: string;
  dataset: string;
}

/** Cells that an include rule names (without one: all), less those that an exclude rule names. */
export function cellTest({ matrix }: Pick<Suite, "matrix">): (cell: CellIds) => boolean {
  if (matrix === undefined) return () => true;
  const { include, exclude } = matrix;
  return (cell) =>
    (include.length === 0 || include.some((rule) => fits(rule, cell))) &&
    !exclude.some((rule) => fits(rule, cell));
}

const fits = ({ prompts, models, datasets }: MatrixRule, { prompt, model, dataset }: CellIds): boolean =>
  (prompts?.includes(prompt) ?? true) &&
  (models?.includes(model) ?? true) &&
  (datasets?.includes(dataset) ?? true);

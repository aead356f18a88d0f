import type { Budget } from "../budget.js";
import type { Fields } from "./fields.js";

const USD = { min: 0, above: true, max: 1e9 };
const GPU_HOURS = { min: 0, above: true, max: 1e9 };
const WALL_S = { min: 0, above: true, max: 1e9 };

/** `budget` of sai/v1: what a campaign may cost before nothing more of it is given out. */
export function readBudget(root: Fields): Budget | undefined {
  const fields = root.object("budget");
  if (fields === undefined) return undefined;
  const usd = fields.number("usd", USD);
  const gpuHours = fields.number("gpu_hours", GPU_HOURS);
  const wallS = fields.number("wall_s", WALL_S);
  fields.close();
  if (!["usd", "gpu_hours", "wall_s"].some((key) => fields.has(key))) {
    fields.findings.error("budget", "the budget has no limit", "give usd, gpu_hours or wall_s");
    return undefined;
  }
  return {
    ...(usd === undefined ? {} : { usd }),
    ...(gpuHours === undefined ? {} : { gpuHours }),
    ...(wallS === undefined ? {} : { wallS }),
  };
}

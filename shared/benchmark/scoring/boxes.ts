/** Boxes as [xc, yc, w, h] in shares of the picture, and their overlap. */
import { toNumber } from "../expression-values.js";
import type { Json } from "../json.js";

export interface Box {
  xc: number;
  yc: number;
  w: number;
  h: number;
}

/** Four numbers with an area; null, a zero area and anything else are no box. */
export function readBox(value: Json | undefined): Box | undefined {
  if (!Array.isArray(value) || value.length !== 4) return undefined;
  const [xc, yc, w, h] = value.map(toNumber);
  if (typeof xc !== "number" || typeof yc !== "number") return undefined;
  if (typeof w !== "number" || typeof h !== "number" || w <= 0 || h <= 0) return undefined;
  return { xc, yc, w, h };
}

/** Area of the intersection ÷ area of the union, 0 to 1. */
export function iou(a: Box, b: Box): number {
  const shared = overlap(a.xc, a.w, b.xc, b.w) * overlap(a.yc, a.h, b.yc, b.h);
  return Math.min(1, shared / (a.w * a.h + b.w * b.h - shared));
}

function overlap(centreA: number, sizeA: number, centreB: number, sizeB: number): number {
  const from = Math.max(centreA - sizeA / 2, centreB - sizeB / 2);
  const to = Math.min(centreA + sizeA / 2, centreB + sizeB / 2);
  return Math.max(0, to - from);
}

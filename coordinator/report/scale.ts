/**
 * Scales: from values to coordinates. Values outside the domain are drawn at its edge, so that nothing leaves its
 * figure. Time scales turn logarithmic when the largest value is over twenty times the smallest.
 */
import { isNumber } from "./format.js";

export interface Scale {
  kind: "linear" | "log";
  at(value: number): number;
  ticks: number[];
}

export function linearScale(domain: [number, number], range: [number, number], ticks: number[]): Scale {
  const [lo, hi] = domain;
  const span = hi - lo || 1;
  const at = (value: number): number => mix(range, (value - lo) / span);
  return { kind: "linear", at, ticks: ticks.filter((t) => t >= lo && t <= hi) };
}

/** Percent: 0 to 100 %, further when a value is above (an error rate per character can be). */
export function ratioScale(values: readonly number[], range: [number, number], tickCount = 5): Scale {
  const drawn = drawable(values);
  const hi = Math.max(1, ...drawn);
  const lo = Math.min(0, ...drawn);
  const step = hi > 1 || lo < 0 ? niceStep(hi - lo, tickCount) : 1 / tickCount;
  return linearScale([lo < 0 ? -niceCeil(-lo, step) : 0, niceCeil(hi, step)], range, multiples(lo, hi, step));
}

/** From 0 to just above the largest value. */
export function amountScale(values: readonly number[], range: [number, number], tickCount = 4): Scale {
  const finite = drawable(values);
  const hi = Math.max(0, ...finite) || 1;
  const lo = Math.min(0, ...finite);
  const step = niceStep(hi - lo, tickCount);
  return linearScale([lo < 0 ? -niceCeil(-lo, step) : 0, niceCeil(hi, step)], range, multiples(lo, hi, step));
}

/** For times: logarithmic where the span is large and nothing is 0 or less, else from 0. */
export function timeScale(values: readonly number[], range: [number, number]): Scale {
  const finite = drawable(values);
  const lo = Math.min(...finite);
  const hi = Math.max(...finite);
  if (finite.length === 0 || lo <= 0 || hi / lo <= 20) return amountScale(finite, range, 6);
  const [from, to] = [lo / 1.15, hi * 1.15];
  const span = Math.log(to / from);
  const at = (value: number): number => mix(range, value <= 0 ? 0 : Math.log(value / from) / span);
  return { kind: "log", at, ticks: logTicks(from, to) };
}

/** Finite values without extremes that no figure can resolve and whose ratios would overflow. */
function drawable(values: readonly number[]): number[] {
  return values.filter(isNumber).map((v) => (Math.abs(v) < 1e-9 ? 0 : Math.min(1e15, Math.max(-1e15, v))));
}

function mix([from, to]: [number, number], share: number): number {
  return from + (to - from) * Math.min(1, Math.max(0, share));
}

/** 1, 2 or 5 times a power of ten, so that about `count` steps make `span`. */
function niceStep(span: number, count: number): number {
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((f) => f * power >= raw * 0.999) ?? 10;
  return factor * power;
}

const niceCeil = (value: number, step: number): number => Math.ceil(value / step - 1e-9) * step;

function multiples(lo: number, hi: number, step: number): number[] {
  const first = lo < 0 ? -Math.round(niceCeil(-lo, step) / step) : 0;
  const last = Math.round(niceCeil(hi, step) / step);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** 1, 2, 5 of every decade, or 1 and 3, or 1; thinned further while there are more than seven. */
function logTicks(from: number, to: number): number[] {
  const [first, last] = [Math.floor(Math.log10(from)), Math.ceil(Math.log10(to))];
  const decades = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const ticks = (factors: number[], every = 1): number[] =>
    decades
      .filter((_, i) => i % every === 0)
      .flatMap((decade) => factors.map((factor) => Number(`${factor}e${decade}`)))
      .filter((t) => t >= from && t <= to);
  const fit = [[1, 2, 5], [1, 3], [1]].map((factors) => ticks(factors)).find((t) => t.length <= 7);
  return fit ?? ticks([1], Math.ceil(decades.length / 7));
}

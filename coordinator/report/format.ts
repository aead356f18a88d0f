/**
 * Numbers as people read them. Invariants: (1) what is not a finite number reads "n/a", never 0; (2) rounding never
 * turns almost all into all, or little into none: 99.97 % reads "> 99.9 %"; (3) a unit always follows its number.
 */
export const NA = "n/a";
const NBSP = "\u00A0";

/** A metric's value with its unit: ratio (as percent), ms, per_s, usd; any other unit is written out. */
export function formatValue(value: number | undefined, unit: string): string {
  if (!isNumber(value)) return NA;
  if (unit === "ratio") return formatPercent(value);
  if (unit === "ms") return formatMs(value);
  if (unit === "per_s") return `${significant(value, 3)}${NBSP}/s`;
  if (unit === "usd") return `$${significant(value, 3)}`;
  return unit === "" ? significant(value, 3) : `${significant(value, 3)}${NBSP}${unit}`;
}

/** A share from 0 to 1 as percent with one decimal. */
export function formatPercent(share: number | undefined): string {
  if (!isNumber(share)) return NA;
  if (share > 0 && share < 0.0005) return `<${NBSP}0.1${NBSP}%`;
  if (share < 1 && share >= 0.9995) return `>${NBSP}99.9${NBSP}%`;
  return `${Math.abs(share) < 100 ? (share * 100).toFixed(1) : significant(share * 100, 3)}${NBSP}%`;
}

/** Milliseconds in the unit that reads best, three significant digits. */
export function formatMs(ms: number | undefined): string {
  if (!isNumber(ms)) return NA;
  if (Math.abs(ms) < 999.5) return `${significant(ms, 3)}${NBSP}ms`;
  if (Math.abs(ms) < 119_950) return `${significant(ms / 1000, 3)}${NBSP}s`;
  return `${significant(ms / 60_000, 3)}${NBSP}min`;
}

/** A signed difference of two values; of ratios in percentage points. */
export function formatDifference(difference: number, unit: string): string {
  if (!isNumber(difference)) return NA;
  const sign = difference > 0 ? "+" : difference < 0 ? "−" : "±";
  const size = Math.abs(difference);
  return unit === "ratio" ? `${sign}${(size * 100).toFixed(1)}${NBSP}points` : sign + formatValue(size, unit);
}

/** A p value: two significant digits, and "< 0.0001" below that. */
export function formatP(p: number): string {
  if (!isNumber(p)) return NA;
  if (p < 0.0001) return `<${NBSP}0.0001`;
  return p >= 0.995 ? "1.00" : significant(p, 2);
}

/** Counts with thousands grouped, as in 12,345. */
export function formatCount(count: number): string {
  if (!isNumber(count)) return NA;
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Fixed notation with so many significant digits; scientific only beyond 1e9 and below 1e-6. */
export function significant(value: number, digits: number): string {
  if (!isNumber(value)) return NA;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-6) return value.toExponential(digits - 1);
  const rounded = Number(value.toPrecision(digits));
  const decimals = digits - 1 - Math.floor(Math.log10(Math.abs(rounded)));
  return rounded.toFixed(Math.min(20, Math.max(0, decimals)));
}

export const isNumber = (value: number | null | undefined): value is number =>
  typeof value === "number" && Number.isFinite(value);

/** Numbers as people read them: three digits that mean something, a unit, never a false precision. */

/** A metric's value with its unit; ratios stay between 0 and 1 with three decimals. */
export function formatValue(value: number, unit: string): string {
  if (unit === "ratio") return value.toFixed(3);
  if (unit === "ms") return `${formatNumber(value)} ms`;
  if (unit === "per_s") return `${formatNumber(value)}/s`;
  if (unit === "usd") return `$${value.toFixed(value < 0.1 ? 6 : 2)}`;
  return unit === "" ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
}

/** At least three significant digits, no exponent for everyday sizes. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e9)) return value.toExponential(2);
  if (size >= 100) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** A p value: 1.0, 0.031, < 0.001. */
export function formatP(p: number): string {
  if (p < 0.001) return "< 0.001";
  return `= ${p > 0.9995 ? "1.0" : p.toFixed(3)}`;
}

/** A duration in ms as 0.8 s, 42 s, 3 min 05 s, 2 h 04 min. */
export function formatDuration(ms: number): string {
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(s % 60)).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** Bytes with a binary unit. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : formatNumber(value)} ${units[unit]}`;
}

/** Reads a duration such as 30, 30s, 5m, 2h, 500ms as ms; undefined if it is none. A bare number is seconds. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|min|h)?$/.exec(text.trim());
  if (!match) return undefined;
  const factor = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 }[match[2] ?? "s"];
  return factor === undefined ? undefined : Number(match[1]) * factor;
}

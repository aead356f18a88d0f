/**
 * Instants of the summary (RFC 3339 text) for people: shown in UTC, and subtracted. Written out on the calendar's
 * arithmetic, so that this pure folder needs no clock-bearing global.
 */
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/** "2026-01-02 03:04:05 UTC"; text that is not an instant in UTC is returned as it is. */
export function formatInstant(text: string): string {
  const match = RFC3339.exec(text);
  if (match === null || !/[Zz]|[+-]00:00/.test(match[8] ?? "")) return text;
  return `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;
}

/** Milliseconds from one instant to another; undefined unless both are RFC 3339 and in order. */
export function elapsedMs(from: string, to: string): number | undefined {
  const start = epochMs(from);
  const end = epochMs(to);
  return start === undefined || end === undefined || end < start ? undefined : end - start;
}

/** Days from civil: http://howardhinnant.github.io/date_algorithms.html#days_from_civil */
function epochMs(text: string): number | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as Six;
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  const days = era * 146_097 + dayOfEra - 719_468;
  const zone = match[8] ?? "Z";
  const offsetMin = /[Zz]/.test(zone)
    ? 0
    : (zone.startsWith("-") ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6)));
  const minutes = days * 1440 + hour * 60 + minute - offsetMin;
  return minutes * 60_000 + second * 1000 + Math.round(Number(`0.${match[7] ?? "0"}`) * 1000);
}

type Six = [number, number, number, number, number, number];

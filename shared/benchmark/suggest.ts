/** "Did you mean": the nearest known name, for findings about unknown ones. */

/** `did you mean "temperature"?`, or "" when no candidate is near (a third of the letters may differ, at most 3) or begins so. */
export function suggestion(name: string, candidates: Iterable<string>): string {
  const wanted = name.toLowerCase();
  let best: Near | undefined;
  for (const candidate of candidates) {
    const limit = best?.distance ?? 1 + Math.min(3, Math.max(1, Math.floor(wanted.length / 3)));
    if (Math.abs(candidate.length - wanted.length) >= limit) continue;
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < limit) {
      best = { candidate, distance };
    }
  }
  if (wanted.length >= 2)
    best ??= shortest([...candidates].filter((c) => c.toLowerCase().startsWith(wanted)));
  return best ? `did you mean ${JSON.stringify(best.candidate)}?` : "";
}

interface Near {
  candidate: string;
  distance: number;
}

function shortest(candidates: readonly string[]): Near | undefined {
  const [candidate] = candidates.toSorted((a, b) => a.length - b.length);
  return candidate === undefined ? undefined : { candidate, distance: candidate.length };
}

/** Optimal string alignment distance: insert, delete, replace, swap neighbours. Names over 128 letters are far. */
function editDistance(a: string, b: string): number {
  if (a.length > 128 || b.length > 128) return Number.POSITIVE_INFINITY;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const at = (r: number, c: number) => (r === i ? row : rows[r])?.[c] ?? 0;
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, at(i - 2, j - 2) + 1);
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** Distances between texts, counted in Unicode code points. */

/** Levenshtein distance: insertions, deletions and substitutions of code points. O(n·m) time, O(m) space. */
export function editDistance(a: string, b: string): number {
  let [left, right] = [codePoints(a), codePoints(b)];
  if (left.length < right.length) [left, right] = [right, left];
  let start = 0;
  while (start < right.length && left[start] === right[start]) start++;
  let [n, m] = [left.length, right.length];
  while (m > start && left[n - 1] === right[m - 1]) {
    n--;
    m--;
  }
  const width = m - start;
  const row = Uint32Array.from({ length: width + 1 }, (_, j) => j);
  for (let i = start; i < n; i++) {
    const point = left[i];
    let diagonal = i - start;
    row[0] = diagonal + 1;
    for (let j = 0; j < width; j++) {
      const above = row[j + 1] ?? 0;
      const substituted = diagonal + (right[start + j] === point ? 0 : 1);
      row[j + 1] = Math.min(substituted, above + 1, (row[j] ?? 0) + 1);
      diagonal = above;
    }
  }
  return row[width] ?? 0;
}

/** Character error rate: edit distance ÷ code points of the target. May exceed 1. The target must not be empty. */
export function characterErrorRate(answer: string, target: string): number {
  return editDistance(answer, target) / codePoints(target).length;
}

/**
 * Normalized Levenshtein similarity as in ANLS (Biten et al. 2019, "Scene Text Visual Question Answering"): texts are
 * lower-cased, trimmed, their spaces one each; 1 − distance ÷ the longer length, and 0 where that distance is half or more.
 */
export function levenshteinSimilarity(answer: string, target: string): number {
  const [a, b] = [answer, target].map((text) => text.trim().toLowerCase().replace(/\s+/g, " ")) as [
    string,
    string,
  ];
  const longer = Math.max(codePoints(a).length, codePoints(b).length);
  const distance = longer === 0 ? 0 : editDistance(a, b) / longer;
  return distance < 0.5 ? 1 - distance : 0;
}

function codePoints(text: string): Uint32Array {
  return Uint32Array.from(text, (char) => char.codePointAt(0) ?? 0);
}

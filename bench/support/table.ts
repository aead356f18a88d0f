/** Rows of cells as lines, first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  const aligned = (cell: string, i: number) =>
    i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0);
  return rows.map((row) => row.map(aligned).join("  ").trimEnd());
}

/** The same as a table of Markdown; the first row is its header. */
export const markdown = ([header = [], ...rows]: readonly (readonly string[])[]): string[] =>
  [header, header.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);

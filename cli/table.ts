/**
 * Plain tables.
 *
 * @module
 */

/**
 * Lines of a table with columns as wide as their widest cell.
 *
 * @param alignment One letter a column: `l` or `r`.
 */
export function table(rows: readonly (readonly string[])[], alignment: string): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return alignment[column] === "r" ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd()
  );
}

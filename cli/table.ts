/**
 * Plain tables.
 *
 * @module
 */

/** Fewest characters that a shortened cell keeps. */
const MIN_CELL = 8;

/**
 * Lines of a table with columns as wide as their widest cell. Where that is wider than `width`, the gaps become smaller, and then the widest
 * left-aligned cells are shortened in their middle: names differ at their ends.
 *
 * @param alignment One letter a column: `l` or `r`.
 */
export function table(
  rows: readonly (readonly string[])[],
  alignment: string,
  width: number = Infinity,
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  const gap = totalWidth(widths, 2) <= width ? 2 : 1;
  while (totalWidth(widths, gap) > width) {
    const column = widestText(widths, alignment);
    if (column === undefined) break;
    const excess = totalWidth(widths, gap) - width;
    widths[column] = Math.max(MIN_CELL, widths[column]! - excess);
  }
  return rows.map((row) =>
    row.map((cell, column) => {
      const shown = shortened(cell, widths[column] ?? 0);
      return alignment[column] === "r"
        ? shown.padStart(widths[column] ?? 0)
        : shown.padEnd(widths[column] ?? 0);
    }).join(" ".repeat(gap)).trimEnd()
  );
}

function totalWidth(widths: readonly number[], gap: number): number {
  return widths.reduce((sum, each) => sum + each, 0) + gap * Math.max(0, widths.length - 1);
}

/** The widest column that can be shortened. */
function widestText(widths: readonly number[], alignment: string): number | undefined {
  let widest: number | undefined;
  for (const [column, width] of widths.entries()) {
    if (alignment[column] === "r" || width <= MIN_CELL) continue;
    if (widest === undefined || width > widths[widest]!) widest = column;
  }
  return widest;
}

function shortened(cell: string, width: number): string {
  if (cell.length <= width) return cell;
  const head = Math.ceil((width - 1) / 2);
  return `${cell.slice(0, head)}…${cell.slice(cell.length - (width - 1 - head))}`;
}

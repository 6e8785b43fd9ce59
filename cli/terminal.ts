/**
 * The terminal that standard output may be.
 *
 * @module
 */

/** Characters in a line of standard output's terminal; `Infinity` elsewhere, where nobody's lines break. */
export function outputWidth(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
}

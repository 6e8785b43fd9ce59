/**
 * The terminal that a standard stream may be.
 *
 * @module
 */

/** Characters in a line where nobody tells. */
export const USUAL_WIDTH = 80;

/** Characters in a line of standard output's terminal; `elsewhere` where it is none, by default no end of a line. */
export function outputWidth(elsewhere: number = Infinity): number {
  return Deno.stdout.isTerminal() ? terminalWidth() : elsewhere;
}

/** Characters in a line of the terminal that one of the standard streams is. */
export function terminalWidth(): number {
  return Deno.consoleSize().columns || USUAL_WIDTH;
}

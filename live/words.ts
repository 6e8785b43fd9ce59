/**
 * Numbers in sentences.
 *
 * @module
 */

/** A number and the name of what was counted. */
export function describeCount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

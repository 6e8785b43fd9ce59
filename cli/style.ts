/**
 * Colours, where they are wanted: on a terminal, unless NO_COLOR is set; elsewhere if FORCE_COLOR is.
 *
 * @module
 */

import { bold, cyan, dim, green, red, setColorEnabled, yellow } from "@std/fmt/colors";

/** Ways in which text can stand out; each gives the text as it is where there are no colours. */
export interface Style {
  /** A title. */
  bold(text: string): string;
  /** What is less important. */
  dim(text: string): string;
  /** An error, something that is gone. */
  red(text: string): string;
  /** A warning. */
  yellow(text: string): string;
  /** All is well, something new. */
  green(text: string): string;
  /** A name, a place. */
  cyan(text: string): string;
}

const plain = (text: string) => text;
const PLAIN: Style = {
  bold: plain,
  dim: plain,
  red: plain,
  yellow: plain,
  green: plain,
  cyan: plain,
};

/** How text may look on standard output or standard error. */
export function styleOf(file: { isTerminal(): boolean }): Style {
  if (!hasColours(file)) return PLAIN;
  // The library decides for standard output alone; here it was decided already.
  setColorEnabled(true);
  return { bold, dim, red, yellow, green, cyan };
}

function hasColours(file: { isTerminal(): boolean }): boolean {
  // https://no-color.org: it wins over everything, but the runtime forgets it where FORCE_COLOR is set.
  if (Deno.noColor || isSet("NO_COLOR")) return false;
  return file.isTerminal() || isSet("FORCE_COLOR");
}

/** Whether a variable is set, if this program may look at it: nobody is asked for a permission because of colours. */
function isSet(variable: string): boolean {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  if (state !== "granted") return false;
  const value = Deno.env.get(variable);
  return value !== undefined && value !== "" && value !== "0";
}

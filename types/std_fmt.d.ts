/** Declarations of the part of `@std/fmt` that we use; why: see std_assert.d.ts. */

declare module "@std/fmt/bytes" {
  /** How `format` writes a size. */
  export interface FormatOptions {
    /** Count in bits (`kbit`) rather than bytes. */
    bits?: boolean;
    /** Steps of 1024 with the `Ki`, `Mi`... prefixes, rather than steps of 1000. */
    binary?: boolean;
    /** Write the plus sign. */
    signed?: boolean;
    /** `true` for the system's locale, or one or more tags; none writes plain digits. */
    locale?: boolean | string | string[];
    minimumFractionDigits?: number;
    maximumFractionDigits?: number;
  }

  /** Writes a number of bytes for people: 1337 is `1.34 kB`. Throws on NaN and infinities. */
  export function format(num: number, options?: FormatOptions): string;
}

declare module "@std/fmt/colors" {
  /** Turns colours on or off for the whole process; they start off where NO_COLOR is set. */
  export function setColorEnabled(value: boolean): void;
  /** Whether the functions below colour at all. */
  export function getColorEnabled(): boolean;
  /** Removes every escape sequence. */
  export function stripAnsiCode(string: string): string;

  export function bold(str: string): string;
  export function dim(str: string): string;
  export function italic(str: string): string;
  export function underline(str: string): string;
  export function inverse(str: string): string;

  export function red(str: string): string;
  export function green(str: string): string;
  export function yellow(str: string): string;
  export function blue(str: string): string;
  export function magenta(str: string): string;
  export function cyan(str: string): string;
  export function white(str: string): string;
  export function gray(str: string): string;

  export function brightRed(str: string): string;
  export function brightGreen(str: string): string;
  export function brightYellow(str: string): string;
  export function brightBlue(str: string): string;
}

declare module "@std/fmt/duration" {
  /** How `format` writes a time. */
  export interface FormatOptions {
    /** `1m 2s`, `00:00:01:02:000:000:000`, or `1 minutes, 2 seconds`. */
    style?: "narrow" | "digital" | "full";
    /** Leave out units of which there are none. */
    ignoreZero?: boolean;
  }

  /** Writes a number of milliseconds for people. */
  export function format(ms: number, options?: FormatOptions): string;
}

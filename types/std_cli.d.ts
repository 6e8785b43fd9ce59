/**
 * Declarations of the part of `@std/cli` that we use; why: see std_assert.d.ts.
 *
 * Stricter than the original: every flag must be named in one of the lists (no value of an
 * unlisted flag can be read), and the lists are arrays.
 */
declare module "@std/cli/parse-args" {
  /** What `parseArgs` knows of the flags: `B`oolean, `S`tring and `C`ollected ones. */
  export interface ParseOptions<
    B extends string,
    S extends string,
    C extends string,
    D extends { readonly [K in B | S | C]?: unknown },
  > {
    /** Put what follows `--` into the result's `--` rather than into `_`. */
    "--"?: boolean;
    /** Other names of a flag; the value is found under each of them. */
    alias?: Readonly<Record<string, string | readonly string[]>>;
    /** Flags without a value. */
    boolean?: readonly B[];
    /** Flags whose value stays text even where it looks like a number. */
    string?: readonly S[];
    /** Flags that may be given more than once; all values are kept, in order. */
    collect?: readonly C[];
    /** Flags of `boolean` that may be turned off with `--no-<flag>`. */
    negatable?: readonly NoInfer<B>[];
    /** Values of flags that were not given. */
    default?: D;
    /** Stop at the first argument that is no flag: the rest goes to `_` unparsed. */
    stopEarly?: boolean;
    /** Called for every argument that no list names; `false` keeps it out of the result. */
    unknown?: (arg: string, key?: string, value?: unknown) => unknown;
  }

  /** The value of a flag that was listed as `Scalar`. */
  type FlagValue<K, Scalar, C, Missing, D> = K extends C ? Scalar[]
    : K extends keyof D ? Scalar | D[K]
    : Scalar | Missing;

  /** What `parseArgs` returns. */
  export type Args<B extends string, S extends string, C extends string, D> =
    & { [K in B]: FlagValue<K, boolean, C, never, D> }
    & { [K in S]: FlagValue<K, string, C, undefined, D> }
    & { [K in Exclude<C, B | S>]: unknown[] }
    & {
      /** The arguments that are no flags. */
      _: (string | number)[];
      /** What followed `--`, if it was asked for. */
      "--"?: string[];
    };

  /** Sorts command line arguments into flags and the rest. Never throws on unknown flags. */
  export function parseArgs<
    const B extends string = never,
    const S extends string = never,
    const C extends string = never,
    const D extends { readonly [K in B | S | C]?: unknown } = Record<never, never>,
  >(args: string[], options?: ParseOptions<B, S, C, D>): Args<B, S, C, D>;
}

/**
 * What a check is: something that looks at a stream while it is read, and reports what breaks rules.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import type { StreamItem } from "../../format/items.ts";
import type { ChannelWatcher, SyncMarks } from "../channels/merger.ts";
import type { ChannelTotals } from "../channels/totals.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { FindingDetails, Unchecked } from "./findings.ts";
import type { RuleId } from "./rule.ts";

/** What a check can ask and say. */
export interface CheckContext {
  /** The input. */
  readonly input: OpenInput;
  /** Whether pages of a mapped-ram file that are not part of the memory are looked at, too. */
  readonly slack: boolean;
  /** Whether something was passed over: what is counted over the whole stream is then not known. */
  readonly isDamaged: boolean;
  /** Says that a rule is broken. */
  report(rule: RuleId, details: FindingDetails): void;
  /** Says that something could not be looked at. */
  skip(part: Unchecked): void;
}

/** What is known when a stream was read. */
export interface StreamEnd {
  /** Absolute offset behind the last byte that was read. */
  readonly offset: number;
  /** Whether sections have footers; `undefined` if there was none. */
  readonly hasFooters: boolean | undefined;
  /** Target page size in bytes, if known. */
  readonly pageBytes: number | undefined;
  /** The RAM blocks; empty without a list. */
  readonly blocks: readonly RamBlock[];
  /** The channels besides the main one, and the marks that the main one has for them. */
  readonly channels: {
    readonly totals: readonly ChannelTotals[];
    readonly marks: number;
    readonly kindOfMarks: SyncMarks | undefined;
  };
}

/** A check. */
export interface Check {
  /** Called with each item in order. */
  item?(item: StreamItem): void;
  /** What it wants to see of payloads. */
  readonly visitor?: StreamVisitor;
  /** What it wants to see of multifd channels. */
  readonly channels?: ChannelWatcher;
  /** Called when the stream has ended, or nothing more of it can be read. */
  end?(end: StreamEnd): void;
}

/** Makes a check for one stream. */
export type MakeCheck = (context: CheckContext) => Check;

type Method = (...parameters: unknown[]) => unknown;

/** One visitor that shows all of them what it sees; it has only the methods that some of them have, because the reader spares itself the rest. */
export function fanOut<Visitor extends object>(visitors: readonly Visitor[]): Visitor {
  const names = new Set(visitors.flatMap((visitor) => methodNames(visitor)));
  const all: Record<string, Method> = {};
  for (const name of names) {
    const methods = visitors.flatMap((visitor) => {
      const method = (visitor as Record<string, Method | undefined>)[name];
      return method === undefined ? [] : [method.bind(visitor)];
    });
    const [only] = methods;
    all[name] = methods.length === 1 ? only! : (...parameters) => {
      for (const method of methods) method(...parameters);
    };
  }
  return all as Visitor;
}

function methodNames(visitor: object): string[] {
  const names: string[] = [];
  for (
    let level = visitor;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const name of Object.getOwnPropertyNames(level)) {
      const { value } = Object.getOwnPropertyDescriptor(level, name) ?? {};
      if (name !== "constructor" && typeof value === "function") names.push(name);
    }
  }
  return names;
}

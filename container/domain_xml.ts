/**
 * Name and UUID of a domain out of libvirt's XML: a small scanner that knows enough of XML to not be deceived by comments, CDATA or
 * attributes, and that takes time and memory in proportion to the text.
 *
 * @module
 */

import type { LibvirtDomain } from "./wrapper.ts";

/** What an element's text is collected for. */
type Wanted = "name" | "uuid";

const ENTITIES = new Map([["amp", "&"], ["lt", "<"], ["gt", ">"], ["quot", '"'], ["apos", "'"]]);

/**
 * The text of the elements `name` and `uuid` directly below `domain`. Damaged XML gives what stands before the damage.
 */
export function readDomain(xml: Uint8Array): LibvirtDomain {
  const found: Partial<Record<Wanted, string>> = {};
  const names: string[] = [];
  let text = "";
  for (const token of tokens(new TextDecoder().decode(xml))) {
    const [root, child] = names;
    const wanted = names.length === 2 && root === "domain" ? wantedName(child) : undefined;
    if (token.kind === "text") {
      if (wanted !== undefined) text += token.text;
    } else if (token.kind === "open") {
      if (names.length < 2) text = "";
      names.push(token.name);
    } else {
      if (wanted !== undefined) found[wanted] ??= text.trim();
      names.pop();
      if (names.length === 0) break;
    }
  }
  return { name: found.name, uuid: found.uuid };
}

function wantedName(name: string | undefined): Wanted | undefined {
  return name === "name" || name === "uuid" ? name : undefined;
}

type Token =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "open"; readonly name: string }
  | { readonly kind: "close" };

/** What is skipped: how it begins and how it ends. */
const SKIPPED = [["<!--", "-->"], ["<?", "?>"], ["<!", ">"]] as const;
const CDATA = "<![CDATA[";

function* tokens(xml: string): Generator<Token> {
  for (let at = 0; at < xml.length;) {
    if (xml[at] !== "<") {
      const end = orEnd(xml.indexOf("<", at), xml);
      yield { kind: "text", text: decodeEntities(xml.slice(at, end)) };
      at = end;
      continue;
    }
    if (xml.startsWith(CDATA, at)) {
      const end = orEnd(xml.indexOf("]]>", at), xml);
      yield { kind: "text", text: xml.slice(at + CDATA.length, end) };
      at = end + 3;
      continue;
    }
    const skipped = SKIPPED.find(([begin]) => xml.startsWith(begin, at));
    if (skipped !== undefined) {
      const [begin, stop] = skipped;
      at = orEnd(xml.indexOf(stop, at + begin.length), xml) + stop.length;
      continue;
    }
    const end = tagEnd(xml, at + 1);
    if (end === undefined) return;
    if (xml[at + 1] === "/") yield { kind: "close" };
    else {
      const [name = ""] = /^[^\s/>]*/.exec(xml.slice(at + 1, Math.min(end, at + 257))) ?? [];
      yield { kind: "open", name };
      if (xml[end - 1] === "/") yield { kind: "close" };
    }
    at = end + 1;
  }
}

function orEnd(index: number, xml: string): number {
  return index < 0 ? xml.length : index;
}

/** Index of the `>` that ends a tag: one in a quoted attribute does not. */
function tagEnd(xml: string, from: number): number | undefined {
  const stops = /[>"']/g;
  stops.lastIndex = from;
  for (let stop = stops.exec(xml); stop !== null; stop = stops.exec(xml)) {
    if (stop[0] === ">") return stop.index;
    const close = xml.indexOf(stop[0], stop.index + 1);
    if (close < 0) return undefined;
    stops.lastIndex = close + 1;
  }
  return undefined;
}

function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,4}));/g, (...match) => {
    const [whole, decimal, hexadecimal, name] = match as string[];
    if (name !== undefined) return ENTITIES.get(name) ?? whole!;
    const code = decimal === undefined ? parseInt(hexadecimal!, 16) : parseInt(decimal, 10);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole!;
  });
}

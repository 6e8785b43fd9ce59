/**
 * Setting fields of device state, in recorded streams and in made ones.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { EditError } from "../analyze/edit/edit_error.ts";
import { type Assignment, parseAssignment, setFields } from "../analyze/edit/set_field.ts";
import { readState } from "../analyze/state.ts";
import type { SectionItem } from "../format/items.ts";
import { BytesSource } from "../format/source.ts";
import { annotated } from "./annotated.ts";
import { StreamBuilder } from "./streams.ts";
import { loadCase, loadStream } from "./testdata.ts";

const loaded = new Map<string, SectionItem[]>();

/** The sections of a recorded stream. */
export function sectionsOf(name: string): SectionItem[] {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const source = new BytesSource(loadStream(name));
  const state = readState(source, { offset: loadCase(name).streamOffset });
  const sections = state.entries.map(({ first }) => first);
  loaded.set(name, sections);
  return sections;
}

/** The only section that assignments change, and its new payload. */
export function setOne(
  sections: readonly SectionItem[],
  ...assignments: readonly (Assignment | string)[]
): { readonly section: SectionItem; readonly payload: Uint8Array } {
  const all = assignments.map((each) => typeof each === "string" ? parseAssignment(each) : each);
  const [entry, ...others] = setFields(sections, all);
  assert(entry !== undefined && others.length === 0);
  const [section, payload] = entry;
  assertEquals(payload.length, section.device!.bytes.length);
  return { section, payload };
}

/** Expects that an assignment is refused, in one line. */
export function assertRefused(
  sections: readonly SectionItem[],
  assignment: Assignment | string,
  message: RegExp,
): void {
  const error = assertThrows(() => setOne(sections, assignment), EditError);
  assertMatch(error.message, message);
  assertEquals(error.message.includes("\n"), false);
}

/** Sections of a stream with one device `dev/0`; `members` is what its description says beside the names. */
export function made(payload: string, members: string): SectionItem[] {
  const bytes = new StreamBuilder().section("full", 9, "dev", annotated(payload)).eof().description(
    `{"devices": [{"name": "dev", "instance_id": 0, "vmsd_name": "dev", "version": 1, ${members}}]}`,
  ).bytes();
  return readState(new BytesSource(bytes)).entries.map(({ first }) => first);
}

/** The same with one field `f`. */
export function madeField(payload: string, type: string, size: number, more = ""): SectionItem[] {
  return made(payload, `"fields": [{"name": "f", ${more} "type": "${type}", "size": ${size}}]`);
}

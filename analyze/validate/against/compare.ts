/**
 * Compares the structures that an image carries with those that a destination reads.
 *
 * A field has no frame in a stream: one that only one side knows moves all that follows, so that the destination misses the footer and
 * refuses the stream. What an image shows of its QEMU is one state of it: a field that is there in one of two images only may be one that
 * not every state has, which is then said more carefully.
 *
 * @module
 */

import type { FieldDescription, VmsdDescription } from "../../../format/vmdescription.ts";
import { quoteText } from "../../../format/text.ts";
import type { RuleId, Severity } from "../rule.ts";
import {
  type FieldGroup,
  fieldGroups,
  isNullField,
  type TheirField,
  type TheirStruct,
} from "./destination.ts";
import { isDivided, isSameField, isVariableArray, namesOf } from "./names.ts";

/** A difference. */
export interface Difference {
  /** The rule. */
  readonly rule: RuleId;
  /** How bad it is. */
  readonly severity: Severity;
  /** Structures and fields, from the outside in. */
  readonly path: readonly string[];
  /** What it is. */
  readonly message: string;
  /** What the destination has. */
  readonly expected: string;
  /** What the image has. */
  readonly found: string;
}

/** Types whose size in memory is that in the stream. */
const PLAIN_TYPE = /^(bool|u?int(8|16|32|64)( equal)?)$/;
/** Types that say themselves how long they are, or whose length another field says. */
const VARIABLE_TYPES: ReadonlySet<string> = new Set([
  "virtio",
  "virtqueue_extra_state",
  "virtio-gpu",
  "scsi-requests",
  "shpc",
  "qtailq",
  "qlist",
  "gtree",
  "usb-redir-parser",
  "usb-redir-bufpq",
  "usb-redir-packet-id-q",
  "capability",
  "GByteArray",
]);

/** The differences between a structure of the image and one of several that the destination may have under this name: the least of them. */
export function compareDevice(
  ours: VmsdDescription,
  sectionVersion: number,
  candidates: readonly TheirStruct[],
  isDump: boolean,
): readonly Difference[] {
  let least: readonly Difference[] | undefined;
  for (const theirs of candidates) {
    const comparison = new Comparison(isDump);
    // Of an old-style device a description tells neither name nor version.
    if (ours.vmsdName !== "") comparison.version(sectionVersion, theirs);
    comparison.struct(ours, theirs, sectionVersion);
    const { differences } = comparison;
    if (least === undefined || differences.length < least.length) least = differences;
  }
  return least ?? [];
}

/** Names of fields that say how long an array is. */
const COUNT_NAME = /num|count|len|nr|size|_n$/;

/**
 * Whether a field in a dump may be an array of variable length: a dump does not tell, and one of length 0 is not in a description. Mostly
 * they consist of structures, or have their length before them.
 */
function mayBeEmpty(field: TheirField, { fields }: TheirStruct): boolean {
  if (field.arrayLength !== undefined) return false;
  if (field.struct !== undefined) return true;
  const before = fields.slice(0, fields.indexOf(field));
  return before.some(({ name, struct }) => struct === undefined && COUNT_NAME.test(name));
}

class Comparison {
  readonly differences: Difference[] = [];
  readonly #isDump: boolean;
  readonly #path: string[] = [];

  constructor(isDump: boolean) {
    this.#isDump = isDump;
  }

  #add(
    rule: RuleId,
    severity: Severity,
    message: string,
    expected: string,
    found: string,
  ): void {
    const path = [...this.#path];
    this.differences.push({ rule, severity, path, message, expected, found });
  }

  /** The version of a whole device, which the destination looks at before anything else. */
  version(ours: number, theirs: TheirStruct): void {
    const found = `version ${ours}`;
    if (ours > theirs.version) {
      const message = "The version of the device is newer than the destination's";
      this.#add("SEC-014", "error", message, `at most ${theirs.version}`, found);
    } else if (ours < (theirs.minimumVersion ?? 0)) {
      const message = "The version of the device is older than the destination still loads";
      this.#add("SEC-014", "error", message, `at least ${theirs.minimumVersion}`, found);
    } else if (ours < theirs.version && theirs.minimumVersion === undefined) {
      const message =
        "The version of the device is older; whether the destination still loads it " +
        "an image does not tell";
      this.#add("SEC-014", "info", message, `version ${theirs.version}`, found);
    }
  }

  /** Fields and subsections; `version` is the one that the destination reads the fields by. */
  struct(ours: VmsdDescription, theirs: TheirStruct, version: number): void {
    if (!isDivided(theirs.vmsdName)) this.#fields(ours, theirs, version);
    for (const subsection of ours.subsections) this.#subsection(subsection, theirs);
  }

  #subsection(ours: VmsdDescription, { subsections }: TheirStruct): void {
    const names = namesOf(ours.vmsdName);
    const theirs = subsections.find(({ vmsdName }) => names.includes(vmsdName));
    this.#path.push(quoteText(ours.vmsdName));
    if (theirs === undefined) {
      const severity = this.#isDump ? "error" : "info";
      const message = this.#isDump
        ? "The destination does not know the subsection"
        : "The other image does not have the subsection; whether its QEMU knows it an image does " +
          "not tell";
      this.#add("SUB-002", severity, message, "no such subsection", "the subsection");
    } else {
      const { version, minimumVersion = 0 } = theirs;
      if (ours.version > version || ours.version < minimumVersion) {
        const expected = minimumVersion > 0
          ? `${minimumVersion}..${version}`
          : `at most ${version}`;
        const message = "The destination does not load this version of the subsection";
        this.#add("SUB-004", "error", message, expected, `version ${ours.version}`);
      }
      this.struct(ours, theirs, ours.version);
    }
    this.#path.pop();
  }

  #fields(ours: VmsdDescription, theirs: TheirStruct, version: number): void {
    const groups = fieldGroups(ours.fields);
    const { vmsdName } = ours;
    const isThis = (group: FieldGroup, field: TheirField) =>
      isSameField(vmsdName, group.field.name, field.name);
    let at = 0;
    for (const field of theirs.fields) {
      const found = groups.findIndex((group, index) => index >= at && isThis(group, field));
      if (found < 0) {
        this.#missing(field, theirs, version);
        continue;
      }
      for (const { field: extra } of groups.slice(at, found)) this.#extra(extra);
      this.#field(groups[found]!, field);
      at = found + 1;
    }
    for (const { field: extra } of groups.slice(at)) this.#extra(extra);
  }

  /** A field that the destination may read and that the image does not have. */
  #missing(field: TheirField, theirs: TheirStruct, version: number): void {
    if (field.isConditional || isVariableArray(theirs.vmsdName, field.name)) return;
    this.#path.push(quoteText(field.name));
    const isNewer = this.#isDump ? field.sinceVersion > version : theirs.version > version;
    if (isNewer) {
      const message = "The field is new, and keeps its default";
      const since = this.#isDump ? field.sinceVersion : theirs.version;
      this.#add("DST-004", "warning", message, `since version ${since}`, `version ${version}`);
    } else if (this.#isDump && mayBeEmpty(field, theirs)) {
      const message =
        "The destination reads a field that the image does not have, unless it is an " +
        "array without elements";
      this.#add("DST-003", "warning", message, "the field", "nothing");
    } else if (this.#isDump) {
      const message = "The destination reads a field that the image does not have";
      this.#add("DST-001", "error", message, "the field", "nothing");
    } else {
      const message = "Only the other image has the field; not every state may have it";
      this.#add("DST-003", "warning", message, "the field", "nothing");
    }
    this.#path.pop();
  }

  /** A field that only the image has. */
  #extra({ name, type, sizeBytes }: FieldDescription): void {
    this.#path.push(quoteText(name));
    const found = `${type}, ${sizeBytes} byte(s)`;
    if (this.#isDump) {
      const message = "The destination does not read the field";
      this.#add("DST-001", "error", message, "no such field here", found);
    } else {
      const message = "The other image does not have the field; not every state may have it";
      this.#add("DST-003", "warning", message, "no such field here", found);
    }
    this.#path.pop();
  }

  #field({ field, count }: FieldGroup, theirs: TheirField): void {
    if (isNullField(field)) return;
    this.#path.push(quoteText(field.name));
    this.#length(field, count, theirs);
    const inside = field.struct ?? field.inline[0];
    if (inside !== undefined && theirs.struct !== undefined) {
      // A structure inside is read by the destination's own version; only a vstruct says its own.
      const version = field.type === "vstruct" ? inside.version : theirs.struct.version;
      this.struct(inside, theirs.struct, version);
    } else if (inside === undefined && theirs.struct === undefined) {
      this.#plain(field, theirs);
    } else if (!this.#isDump && !VARIABLE_TYPES.has(field.type)) {
      const [expected, found] = [theirs.type ?? "a structure", field.type];
      this.#add("DST-002", "error", "The field has another type", expected, found);
    }
    this.#path.pop();
  }

  #length(field: FieldDescription, count: number, { arrayLength }: TheirField): void {
    if (arrayLength === undefined || arrayLength === count || VARIABLE_TYPES.has(field.type)) {
      return;
    }
    const [expected, found] = [`${arrayLength} element(s)`, `${count}`];
    if (this.#isDump) {
      this.#add("DST-002", "error", "The array has another length", expected, found);
    } else {
      const message = "The array has another length, which may depend on the state";
      this.#add("DST-003", "warning", message, expected, found);
    }
  }

  /** A field without members. */
  #plain(field: FieldDescription, { type, sizeBytes }: TheirField): void {
    if (VARIABLE_TYPES.has(field.type) || sizeBytes === undefined) return;
    const isPlain = PLAIN_TYPE.test(field.type);
    const [expected, found] = [`${sizeBytes} byte(s)`, `${field.sizeBytes}`];
    if (isPlain && sizeBytes !== field.sizeBytes) {
      this.#add("DST-002", "error", "The field has another size", expected, found);
    } else if (type !== undefined && type !== field.type) {
      const isSameSize = sizeBytes === field.sizeBytes;
      const severity = isSameSize ? "warning" : "error";
      this.#add("DST-002", severity, "The field has another type", type, field.type);
    } else if (type !== undefined && sizeBytes !== field.sizeBytes) {
      const message = "The field has another size, which may depend on the state";
      this.#add("DST-003", "warning", message, expected, found);
    }
  }
}

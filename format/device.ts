/**
 * Device sections: finds the description that gives their length, decodes them by it, and without one looks for their end.
 *
 * @module
 */

import {
  type BoundaryContext,
  findFooter,
  findNextSection,
  judgeDamagedFooter,
  judgeElement,
} from "./boundary.ts";
import { type FormatError, isFormatError } from "./error.ts";
import { decodeGlobalState, GLOBAL_STATE_IDSTR } from "./global_state.ts";
import type { BoundaryKind, DeviceState, SectionItem } from "./items.ts";
import type { Limits } from "./limits.ts";
import { ARRAY_READINGS, type ArrayReading } from "./pointer_arrays.ts";
import type { ByteReader } from "./reader.ts";
import { readStorageKeys, STORAGE_KEYS_IDSTR } from "./s390_skeys.ts";
import { FOOTER_BYTES, SECTION_TYPE, type SectionIdentity } from "./section.ts";
import { quoteText } from "./text.ts";
import { decodeTodClock, TODCLOCK_IDSTR } from "./todclock.ts";
import {
  type DeviceDescription,
  findVmdescriptionAfter,
  findVmdescriptionAtEnd,
  parseVmdescription,
  type Vmdescription,
  type VmdescriptionSection,
} from "./vmdescription.ts";
import { decodeVmstate, describedBytes, type ElementBudget } from "./vmstate.ts";

/** Devices that end themselves; they are used where nothing describes them. */
const KNOWN_DEVICES = new Map<string, (reader: ByteReader) => unknown>([
  [STORAGE_KEYS_IDSTR, (reader) => readStorageKeys(reader, {})],
  [TODCLOCK_IDSTR, decodeTodClock],
  [GLOBAL_STATE_IDSTR, decodeGlobalState],
]);

/** What is known about a device section's surroundings. */
export interface DeviceSurroundings extends BoundaryContext {
  /** Whether sections have footers, if that is known. */
  readonly footers: boolean | undefined;
  /** Depth of packages around the section. */
  readonly depth: number;
}

/** What has to stand behind a device. */
interface ExpectedEnd extends DeviceSurroundings {
  /** Whether a footer may be half right, missing, or one too many, where the next element stands in its right place. */
  readonly mayBeDamaged: boolean;
}

/** A device section as read: what a section item says beyond its header. */
export interface DeviceReading {
  /** How the end was found. */
  readonly boundary: BoundaryKind;
  /** The decoded state. */
  readonly device?: DeviceState;
  /** The payload's bytes, where nothing describes it. */
  readonly bytes?: Uint8Array;
  /** Why a description from elsewhere was not used. */
  readonly problem?: FormatError;
}

/** Reads the device sections of one stream. */
export class DeviceReader {
  readonly #reader: ByteReader;
  readonly #limits: Limits;
  readonly #given: Vmdescription | undefined;
  /** The stream's own description, and where it stands. */
  #own: (VmdescriptionSection & { readonly description: Vmdescription }) | undefined;
  #searched = false;
  readonly #budget: ElementBudget;
  #index = new Map<string, DeviceDescription[]>();
  /** Sections of a pipe that stand before the place where the description could be looked for. */
  readonly #deferred: SectionItem[] = [];
  /** Bytes that descriptions asked for and devices did not have. */
  #overreadBytes = 0;

  /** Reads with `reader`; `given` is a description from elsewhere. */
  constructor(reader: ByteReader, limits: Limits, given: Vmdescription | undefined) {
    this.#reader = reader;
    this.#limits = limits;
    this.#given = given;
    this.#budget = { left: limits.deviceElements };
    if (given !== undefined) this.#index = indexDevices(given);
  }

  /** Where the description in use came from. */
  get origin(): "stream" | "given" | "none" {
    if (this.#own !== undefined) return "stream";
    return this.#given === undefined ? "none" : "given";
  }

  /** Target page size by the description in use. */
  get pageBytes(): number | undefined {
    return (this.#own?.description ?? this.#given)?.pageBytes;
  }

  /** Looks for the description at the input's end. Damaged JSON there is met again, and reported, when the stream arrives at it. */
  findAtEnd(): void {
    const found = findVmdescriptionAtEnd(this.#reader.source, this.#limits);
    if (found === undefined) return;
    try {
      this.#use({ ...found, description: parseVmdescription(found.text, found.offset + 5) });
    } catch (error) {
      if (!isFormatError(error)) throw error;
      this.#searched = true;
    }
  }

  #use(own: VmdescriptionSection & { readonly description: Vmdescription }): void {
    this.#own = own;
    this.#index = indexDevices(own.description);
  }

  /** Reads the payload of a device section; the cursor stands behind it afterwards. */
  read(section: SectionIdentity, surroundings: DeviceSurroundings): DeviceReading {
    this.#reader.retain();
    this.#search(section, surroundings);
    const description = this.#lookUp(section);
    if (description === undefined) return this.#undescribed(section, surroundings);
    const start = this.#reader.offset;
    try {
      const device = this.#described(description, section, surroundings);
      return { boundary: "described", device };
    } catch (error) {
      if (this.#own !== undefined || !isFormatError(error)) throw error;
      this.#reader.seek(start);
      return { ...this.#undescribed(section, surroundings), problem: error };
    }
  }

  /**
   * Without a description of this device at the end (what stands there may be another stream's): looks for one behind the devices, once.
   * A package's stream never has one.
   */
  #search(section: SectionIdentity, surroundings: DeviceSurroundings): void {
    if (this.#searched || surroundings.depth > 0) return;
    // QEMU calls the entries that it writes before the RAM '...-early'; looking beyond the RAM would retain it all.
    const isEarly = section.idstr.endsWith("-early");
    if (isEarly && !this.#reader.source.seekable) return;
    if (this.#own !== undefined && this.#lookUpAll(section) !== undefined) return;
    this.#searched = true;
    const isDescribed = (description: Vmdescription): boolean =>
      indexDevices(description).has(deviceKey(section.idstr, section.instanceId));
    const found = findVmdescriptionAfter(
      this.#reader.source,
      this.#reader.offset,
      isDescribed,
      this.#limits,
    );
    if (found !== undefined) this.#use(found);
  }

  #lookUpAll(section: SectionIdentity): DeviceDescription[] | undefined {
    return this.#index.get(deviceKey(section.idstr, section.instanceId));
  }

  #lookUp(section: SectionIdentity): DeviceDescription | undefined {
    const candidates = this.#lookUpAll(section);
    if (candidates === undefined) return undefined;
    // A stream may carry a device more than once; then its description lists it as often.
    return candidates.length > 1 ? candidates.shift() : candidates[0];
  }

  #described(
    description: DeviceDescription,
    section: SectionIdentity,
    surroundings: DeviceSurroundings,
  ): DeviceState {
    const reader = this.#reader;
    const payloadOffset = reader.offset;
    const most = describedBytes(description.state);
    // What one device leaves, the next one reads again: bounded, or the work would grow with the square of the input.
    if (most + this.#overreadBytes > this.#limits.deviceStateBytes) {
      throw reader.error("limit-exceeded", "Cannot decode device section: described as too long", {
        expected: `at most ${this.#limits.deviceStateBytes} bytes`,
        found: String(most),
      });
    }
    const bytes = reader.bytesUpTo(most, `device ${quoteText(section.idstr)}`);
    let firstError: FormatError | undefined;
    // A damaged footer is its own fault, and no reason to doubt the device.
    for (const mayBeDamaged of surroundings.footers === undefined ? [false] : [false, true]) {
      for (const reading of ARRAY_READINGS) {
        try {
          const end = { ...surroundings, mayBeDamaged };
          return this.#decode(description, bytes, payloadOffset, reading, end);
        } catch (error) {
          if (!isFormatError(error)) throw error;
          firstError ??= error;
        }
      }
    }
    // With the description at its end, the input is whole.
    if (bytes.length < most && this.#own === undefined) {
      reader.seek(payloadOffset);
      throw reader.truncated(most, bytes.length, "device section");
    }
    throw firstError;
  }

  #decode(
    description: DeviceDescription,
    bytes: Uint8Array,
    payloadOffset: number,
    reading: ArrayReading,
    surroundings: ExpectedEnd,
  ): DeviceState {
    const state = decodeVmstate(bytes, description.state, {
      offset: payloadOffset,
      path: this.#reader.path,
      reading,
      budget: this.#budget,
    });
    this.#reader.seek(payloadOffset + state.lengthBytes);
    this.#checkEnd(state.lengthBytes, surroundings);
    this.#overreadBytes += bytes.length - state.lengthBytes;
    const used = state.lengthBytes === bytes.length ? bytes : bytes.slice(0, state.lengthBytes);
    return { description, state, bytes: used, payloadOffset, reading };
  }

  /** What stands behind the device shows whether the description is right. */
  #checkEnd(lengthBytes: number, surroundings: ExpectedEnd): void {
    const next = this.#reader.peek(1024);
    const view = new DataView(next.buffer, next.byteOffset, next.byteLength);
    const hasFooter = next.length >= FOOTER_BYTES && next[0] === SECTION_TYPE.FOOTER &&
      view.getUint32(1) === surroundings.id;
    const whole = next.length < 1024;
    const judged = judgeElement(next, 0, whole, surroundings);
    // In the first section of all, which tells whether there are footers, little evidence is not enough.
    const fits = surroundings.footers === undefined
      ? hasFooter || judged === "strong"
      : surroundings.footers
      ? hasFooter || (surroundings.mayBeDamaged && judgeDamagedFooter(next, surroundings))
      : judged !== "no" || (surroundings.mayBeDamaged && hasFooter);
    if (fits) return;
    throw this.#reader.error(
      "device-mismatch",
      `Cannot decode device section: the description ends after ${lengthBytes} bytes, the section does not`,
      {
        expected: surroundings.footers === false
          ? "the next section"
          : `the footer of section ${surroundings.id}`,
        found: Array.from(next.subarray(0, 5), (byte) => byte.toString(16).padStart(2, "0")).join(
          " ",
        ),
      },
    );
  }

  #undescribed(section: SectionIdentity, surroundings: DeviceSurroundings): DeviceReading {
    const reader = this.#reader;
    const known = this.#known(section, surroundings);
    if (known !== undefined) return { boundary: "known", bytes: known };
    let boundary: BoundaryKind = "footer";
    let length = surroundings.footers === false
      ? undefined
      : findFooter(reader, surroundings, this.#limits);
    if (length === undefined && surroundings.footers !== true) {
      boundary = "next-section";
      length = findNextSection(reader, surroundings, this.#limits);
    }
    if (length === undefined) {
      throw reader.error(
        "truncated",
        `Cannot find the end of section ${quoteText(section.idstr)}, which nothing describes`,
        {
          expected: `a footer of section ${section.id}, or a section behind it`,
          rule: surroundings.footers === true ? "SEC-016" : undefined,
        },
      );
    }
    return { boundary, bytes: reader.bytes(length, "undescribed section") };
  }

  /** Tries a device of our own knowledge, which has to end at a plausible place. */
  #known(section: SectionIdentity, surroundings: DeviceSurroundings): Uint8Array | undefined {
    const decode = KNOWN_DEVICES.get(section.idstr);
    if (decode === undefined) return undefined;
    const reader = this.#reader;
    const start = reader.offset;
    try {
      decode(reader);
      const length = reader.offset - start;
      this.#checkEnd(length, { ...surroundings, mayBeDamaged: false });
      reader.seek(start);
      return reader.bytes(length, "known device");
    } catch (error) {
      if (!isFormatError(error)) throw error;
      reader.seek(start);
      return undefined;
    }
  }

  /** Remembers a section that stood before the description, to be decoded when the stream arrives there. */
  defer(item: SectionItem): void {
    if (item.boundary === "footer" && this.origin === "none") this.#deferred.push(item);
  }

  /** Takes the description that the stream has arrived at. */
  arrive(section: VmdescriptionSection): Vmdescription {
    // What stood at the input's end may have been the description of another stream, of the same machine.
    if (this.#own?.offset !== section.offset) {
      this.#use({ ...section, description: parseVmdescription(section.text, section.offset + 5) });
    }
    for (const item of this.#deferred.splice(0)) this.#decodeDeferred(item);
    return this.#own!.description;
  }

  /** Tests that the stream ends at the description that the devices were decoded by. */
  checkArrival(offset: number): void {
    if (this.#own === undefined || this.#own.offset === offset) return;
    throw this.#reader.error("bad-vmdescription", "The stream does not end at its vmdescription", {
      offset,
      expected: `the end of the stream at offset ${this.#own.offset}`,
      found: "the end here",
      rule: "END-002",
    });
  }

  #decodeDeferred(item: SectionItem): void {
    const description = this.#lookUp(item.section);
    if (description === undefined || item.bytes === undefined) return;
    for (const reading of ARRAY_READINGS) {
      try {
        const state = decodeVmstate(item.bytes, description.state, {
          offset: item.payloadOffset,
          path: [`section ${item.section.id} ${quoteText(item.section.idstr)}`],
          reading,
          budget: this.#budget,
        });
        if (state.lengthBytes !== item.bytes.length) continue;
        const { bytes, payloadOffset } = item;
        item.device = { description, state, bytes, payloadOffset, reading };
        return;
      } catch (error) {
        if (!isFormatError(error)) throw error;
      }
    }
  }
}

function deviceKey(name: string, instanceId: number): string {
  return `${instanceId}/${name}`;
}

function indexDevices(description: Vmdescription): Map<string, DeviceDescription[]> {
  const index = new Map<string, DeviceDescription[]>();
  for (const device of description.devices) {
    const key = deviceKey(device.name, device.instanceId);
    const same = index.get(key);
    if (same === undefined) index.set(key, [device]);
    else same.push(device);
  }
  return index;
}

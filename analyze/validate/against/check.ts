/**
 * Whether an image would load in another QEMU: what the destination's machine, blocks and devices say against it.
 *
 * @module
 */

import type { ConfigurationItem, SectionItem, StreamItem } from "../../../format/items.ts";
import { quoteText } from "../../../format/text.ts";
import type { Check, CheckContext, MakeCheck, StreamEnd } from "../check.ts";
import { compareDevice } from "./compare.ts";
import { type Destination, deviceKey, type TheirStruct } from "./destination.ts";
import { namesOf, NOT_IN_DUMPS } from "./names.ts";

/** Blocks that QEMU resizes to what comes. */
const RESIZABLE_BLOCK = /^\/rom@/;

/** Makes the check against a destination. */
export function againstCheck(destination: Destination): MakeCheck {
  return (context) => new AgainstCheck(destination, context);
}

class AgainstCheck implements Check {
  readonly #destination: Destination;
  readonly #context: CheckContext;
  readonly #isDump: boolean;
  readonly #seen = new Set<string>();
  #undescribed = { count: 0, offset: 0 };

  constructor(destination: Destination, context: CheckContext) {
    this.#destination = destination;
    this.#context = context;
    this.#isDump = destination.kind === "dump";
  }

  item(item: StreamItem): void {
    if (item.kind === "configuration") this.#machine(item);
    if (item.kind !== "section") return;
    if (item.device !== undefined) this.#device(item);
    else if (item.payload === undefined && item.type === "full") {
      this.#undescribed.count += 1;
      if (this.#undescribed.count === 1) this.#undescribed.offset = item.offset;
    }
  }

  #machine({ offset, configuration: { machine: found } }: ConfigurationItem): void {
    const { machine } = this.#destination;
    // QEMU compares as many characters as the stream has.
    if (machine === undefined || machine.startsWith(found)) return;
    this.#context.report("CFG-005", {
      severity: "error",
      offset,
      path: ["configuration"],
      message: "The machine type is not that of the destination",
      expected: machine,
      found,
    });
  }

  #device({ offset, section, device }: SectionItem): void {
    const { description } = device!;
    const { state } = description;
    const key = deviceKey(description);
    this.#seen.add(key);
    const candidates = this.#candidates(key, state.vmsdName);
    const place = [`section ${section.id} ${quoteText(section.idstr)}`];
    if (candidates === undefined) return this.#unknown(offset, place, section, state);
    for (
      const { path, ...difference } of compareDevice(
        state,
        section.versionId,
        candidates,
        this.#isDump,
      )
    ) {
      const { rule, ...details } = difference;
      this.#context.report(rule, { ...details, offset, path: [...place, ...path] });
    }
  }

  #candidates(key: string, vmsdName: string): readonly TheirStruct[] | undefined {
    const { devices } = this.#destination;
    if (!this.#isDump) return devices.get(key);
    const found = namesOf(vmsdName).flatMap((name) => devices.get(name) ?? []);
    return found.length === 0 ? undefined : found;
  }

  /** A device that the destination does not have. */
  #unknown(
    offset: number,
    path: readonly string[],
    { idstr, instanceId }: { readonly idstr: string; readonly instanceId: number },
    { vmsdName }: { readonly vmsdName: string },
  ): void {
    if (this.#isDump && NOT_IN_DUMPS.has(vmsdName)) return;
    // What has a place on a bus is a device; other things may be registered without one.
    const isSure = !this.#isDump || idstr.includes("/");
    this.#context.report("SEC-012", {
      severity: isSure ? "error" : "warning",
      offset,
      path,
      message: isSure
        ? "The destination has no such device"
        : "The dump lists no such device; it may be something else that is registered",
      expected: this.#isDump ? "a structure that the dump lists" : "an entry of the destination",
      found: this.#isDump ? quoteText(vmsdName) : `${quoteText(idstr)}, instance ${instanceId}`,
    });
  }

  end(end: StreamEnd): void {
    const { count, offset } = this.#undescribed;
    if (count > 0) {
      const reason = `nothing describes ${count} device(s): not compared with the destination`;
      this.#context.skip({ offset, lengthBytes: undefined, reason });
    }
    if (this.#context.isDamaged) return;
    this.#pageBytes(end);
    this.#blocks(end);
    if (!this.#isDump && this.#seen.size > 0) this.#left(end);
  }

  #pageBytes({ offset, pageBytes: found }: StreamEnd): void {
    const { pageBytes } = this.#destination;
    if (pageBytes === undefined || found === undefined || pageBytes === found) return;
    this.#context.report("DST-005", {
      offset,
      message: "The target page size is not that of the destination",
      expected: String(pageBytes),
      found: String(found),
    });
  }

  #blocks({ blocks }: StreamEnd): void {
    const { blocks: theirs } = this.#destination;
    if (theirs === undefined || blocks.length === 0) return;
    const lengths = new Map(theirs.map(({ name, usedLengthBytes }) => [name, usedLengthBytes]));
    for (const { name, usedLengthBytes, entryOffset: offset } of blocks) {
      const length = lengths.get(name);
      const path = ["block list", `block ${quoteText(name)}`];
      if (length === undefined) {
        const message = "The destination has no such RAM block";
        this.#context.report("RAM-006", { severity: "error", offset, path, message });
      } else if (length !== usedLengthBytes) {
        const isResizable = RESIZABLE_BLOCK.test(name);
        this.#context.report("RAM-007", {
          severity: isResizable ? "info" : "error",
          offset,
          path,
          message: isResizable
            ? "The RAM block has another length, and is resized"
            : "The RAM block has another length",
          expected: `${length} bytes`,
          found: `${usedLengthBytes}`,
        });
      }
    }
    const ours = new Set(blocks.map(({ name }) => name));
    for (const { name } of theirs) {
      if (ours.has(name)) continue;
      const message =
        "The image does not have a RAM block of the destination, which stays as it is";
      const path = ["block list", `block ${quoteText(name)}`];
      this.#context.report("DST-006", { offset: blocks[0]!.entryOffset, path, message });
    }
  }

  /** Devices of the destination for which nothing came. */
  #left({ offset }: StreamEnd): void {
    for (const key of this.#destination.devices.keys()) {
      if (this.#seen.has(key)) continue;
      const [name = "", instance = ""] = key.split("\0");
      this.#context.report("DST-007", {
        offset,
        message: "The image has nothing for a device of the destination, which stays as it is",
        expected: `${quoteText(name)}, instance ${instance}`,
      });
    }
  }
}

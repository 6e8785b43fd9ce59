/**
 * The packets of multifd channels, one by one and all together.
 *
 * @module
 */

import { channelName } from "../../channels/merger.ts";
import type { OpenChannel } from "../../../container/channels.ts";
import type { FormatError } from "../../../format/error.ts";
import type { StreamItem } from "../../../format/items.ts";
import type {
  MultifdDeviceStatePacket,
  MultifdPacket,
  MultifdRamPacket,
} from "../../../format/multifd/channel.ts";
import type { MultifdMethod } from "../../../format/multifd/flags.ts";
import { MULTIFD_RAM_FIELD_OFFSETS } from "../../../format/multifd/packet_header.ts";
import { quoteText } from "../../../format/text.ts";
import { PageSet } from "../../memory/page_set.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";
import { machineRelease } from "../machine_release.ts";
import { ruleOfError } from "../rule_of_error.ts";

/** Since this release marks are words of their own: hundreds for the first number. */
const FLUSH_RELEASE = 801;
/** Since this release SYNC packets carry no pages, and other packets some. */
const STRICT_RELEASE = 900;
/** Smallest packet, without which no number can stand. */
const PACKET_MIN_BYTES = 320;
/** Packets that are counted in a channel whose length only reading it tells. */
const MAX_UNSIZED_PACKETS = 2 ** 22;
/** Entries whose device states are remembered. */
const MAX_DEVICES = 1000;

/** Checks what holds for packets beside their form. */
export function multifdCheck(context: CheckContext): Check {
  const check = new MultifdCheck(context);
  return {
    item: (item) => check.item(item),
    channels: {
      channel: (open, { reserved }) => check.channel(open, reserved),
      packet: (open, packet, repeatedPages) => check.packet(open, packet, repeatedPages),
      damage: (open, error, isEnd) => check.damage(open, error, isEnd),
    },
    end: (end) => check.end(end),
  };
}

class MultifdCheck {
  readonly #context: CheckContext;
  readonly #numbers = new PageSet();
  readonly #mostPackets: number;
  readonly #entries = new Set<string>();
  readonly #devices = new Map<string, { offset: number; path: readonly string[] }>();
  readonly #latePackets = new Map<OpenChannel, { offset: number; count: number }>();
  /** Channels in which something could not be read, or that end too early. */
  readonly #damaged = new Set<string>();
  readonly #tooShort: FormatError[] = [];
  #release: number | undefined;
  #method: MultifdMethod | undefined;
  #packets = 0;
  #repeatedNumbers = 0;
  #isMainOver = false;

  constructor(context: CheckContext) {
    this.#context = context;
    const channels = context.input.pageChannels?.channels ?? [];
    const packets = channels.map(({ source: { sizeBytes } }) =>
      sizeBytes === undefined ? MAX_UNSIZED_PACKETS : Math.ceil(sizeBytes / PACKET_MIN_BYTES)
    );
    this.#mostPackets = packets.reduce((sum, each) => sum + each, 0);
  }

  item(item: StreamItem): void {
    if (item.kind === "configuration") this.#release = machineRelease(item.configuration.machine);
    if (item.kind === "section") this.#entries.add(entryName(item.section));
    if (item.kind === "eof" && item.depth === 0) this.#isMainOver = true;
  }

  channel(open: OpenChannel, reserved: Uint8Array): void {
    const odd = reserved.findIndex((byte) => byte !== 0);
    if (odd < 0) return;
    this.#context.report("MFD-005", {
      offset: RESERVED_OFFSET + odd,
      path: [channelName(open)],
      message: "The reserved bytes of the first packet are not zero",
    });
  }

  packet(open: OpenChannel, packet: MultifdPacket, repeatedPages: number): void {
    const { offset, notes } = packet;
    const path = [channelName(open)];
    const { report } = this.#context;
    for (const note of notes) {
      report("MFD-018", { offset, path, message: `In a packet's header, ${note}` });
    }
    if (packet.kind === "device-state") return this.#deviceState(packet, path);
    const isStrict = (this.#release ?? 0) >= STRICT_RELEASE;
    if (isStrict && repeatedPages > 0 && this.#damaged.size === 0 && !this.#context.isDamaged) {
      const message = `${repeatedPages} page(s) came since the last synchronisation already`;
      report("MFD-026", { offset, path, message });
    }
    this.#take(open, packet, path);
  }

  #take(open: OpenChannel, packet: MultifdRamPacket, path: readonly string[]): void {
    const { offset, normal, zero, isSync, method, packetNumber } = packet;
    const { report } = this.#context;
    const pages = normal.length + zero.length;
    if (normal.length > 0) this.#method ??= method;
    if (normal.length > 0 && method !== this.#method) {
      report("MFD-008", {
        offset: offset + MULTIFD_RAM_FIELD_OFFSETS.flags,
        path,
        message: "The packet is compressed by another method than those before it",
        expected: this.#method,
        found: method,
      });
    }
    const isStrict = (this.#release ?? 0) >= STRICT_RELEASE;
    if (isStrict && isSync === (pages > 0)) {
      const message = isSync ? "A SYNC packet has pages" : "A packet has neither pages nor SYNC";
      report("MFD-017", { offset, path, message });
    }
    if (pages > 0 && this.#isMainOver) {
      const late = this.#latePackets.get(open);
      if (late === undefined) this.#latePackets.set(open, { offset, count: 1 });
      else late.count += 1;
    }
    // Before 9.0 what is left of packets without pages leaves gaps.
    if (!isStrict) return;
    this.#packets += 1;
    if (packetNumber >= this.#mostPackets) return;
    if (this.#numbers.hasAny(packetNumber, 1)) this.#repeatedNumbers += 1;
    this.#numbers.addRange(packetNumber, 1);
  }

  #deviceState({ idstr, instanceId, offset }: MultifdDeviceStatePacket, path: string[]): void {
    const name = entryName({ idstr, instanceId });
    if (this.#devices.size < MAX_DEVICES && !this.#devices.has(name)) {
      this.#devices.set(name, { offset, path });
    }
  }

  damage(open: OpenChannel, error: FormatError, isEnd: boolean): void {
    this.#damaged.add(open.channel.path);
    if (isEnd) return void this.#tooShort.push(error);
    const { offset, path, message, expected, found } = error;
    this.#context.report(ruleOfError(error), {
      offset,
      path: path.length === 0 ? [channelName(open)] : path,
      message,
      expected,
      found,
    });
  }

  end(end: StreamEnd): void {
    const { isDamaged, report } = this.#context;
    if (this.#context.input.pageChannels === undefined || isDamaged) return;
    for (const [name, { offset, path }] of this.#devices) {
      if (this.#entries.has(name)) continue;
      const message = "A packet has the state of an entry that the main channel does not have";
      report("MFD-023", { offset, path, message, found: name });
    }
    for (const [open, { offset, count }] of this.#latePackets) {
      const message = `${count} packet(s) with pages stand behind the last mark`;
      report("MFD-030", { offset, path: [channelName(open)], message });
    }
    if (!this.#hasFirstMark(end)) return;
    this.#syncs(end);
    if (this.#damaged.size === 0) this.#checkNumbers(end);
  }

  /** Whether marks are made as the machine type lets expect: what depends on them can't be judged otherwise. */
  #hasFirstMark({ offset, channels }: StreamEnd): boolean {
    const isNew = this.#release !== undefined && this.#release >= FLUSH_RELEASE;
    const hasMultifd = channels.totals.some(({ role }) => role === "multifd");
    if (!isNew || !hasMultifd || channels.kindOfMarks !== "section") return true;
    this.#context.report("MFD-021", {
      offset,
      message: "The first RAM section has no mark for the channels",
      expected: "a MULTIFD_FLUSH word",
    });
    return false;
  }

  #syncs({ channels: { marks, totals } }: StreamEnd): void {
    for (const { offset, path, message, expected, found } of this.#tooShort) {
      this.#context.report("MFD-020", { offset, path, message, expected, found });
    }
    for (const { role, channelId, syncs, path } of totals) {
      if (role !== "multifd" || syncs === marks || this.#damaged.has(path)) continue;
      this.#context.report("MFD-020", {
        offset: 0,
        path: [`multifd channel ${channelId}`],
        message: "The channel has another number of SYNC packets than the main channel has marks",
        expected: String(marks),
        found: String(syncs),
      });
    }
  }

  #checkNumbers({ channels: { totals } }: StreamEnd): void {
    if (!totals.some(({ role }) => role === "multifd")) return;
    const there = this.#numbers.count(0, this.#packets);
    if (there === this.#packets && this.#repeatedNumbers === 0) return;
    this.#context.report("MFD-019", {
      offset: 0,
      path: ["multifd channels"],
      message: "The numbers of the packets have gaps or repeat themselves",
      expected: `0 to ${this.#packets - 1}, each once`,
      found: `${there} of them, ${this.#repeatedNumbers} repeated`,
    });
  }
}

/** Where the reserved bytes of a first packet begin. */
const RESERVED_OFFSET = 25;

function entryName(
  { idstr, instanceId }: { readonly idstr: string; readonly instanceId: number },
): string {
  return `${quoteText(idstr)}/${instanceId}`;
}

/**
 * Puts the pages of all channels of a captured migration into one order, and shows them to a visitor as if they stood in the main channel.
 *
 * ```text
 * main channel     ... records | mark 1 | records | mark 2 | ...         mark: a MULTIFD_FLUSH word; before QEMU 8.1 the EOS word
 * multifd 0        packets, SYNC | packets, SYNC | ...                     of each RAM section
 * multifd 1        packets, SYNC | packets, SYNC | ...
 * preempt                                             records, behind all others
 * ```
 *
 * Pages before SYNC k of any channel come before those behind SYNC k of all channels. Between two marks packets are taken in the order of
 * their numbers, which the sender counts over all channels.
 *
 * @module
 */

import type { OpenChannel, OpenChannels } from "../../container/channels.ts";
import { FormatError, isFormatError } from "../../format/error.ts";
import { DEFAULT_LIMITS } from "../../format/limits.ts";
import {
  MULTIFD_BLOCK_BYTES,
  MultifdChannelReader,
  type MultifdPacket,
  type MultifdRamPacket,
} from "../../format/multifd/channel.ts";
import type { MultifdInitialPacket } from "../../format/multifd/initial_packet.ts";
import type { StreamVisitor } from "../../format/payload.ts";
import type { RamBlock } from "../../format/ram.ts";
import { newRamContext, type RamRun, RamScanner } from "../../format/ram_scanner.ts";
import { ByteReader } from "../../format/reader.ts";
import { PageSet } from "../memory/page_set.ts";
import { type ChannelTotals, newTotals } from "./totals.ts";
import { PacketRuns } from "./packet_runs.ts";
import { inferPageBytes } from "./page_size.ts";
import { passedOn } from "./pass_on.ts";

/** What a visitor wants to see of pages. */
export interface MergerOptions {
  /** Whether contents are looked at; `if-compressed`: those that can't be read from the input later. Other payloads are passed over. */
  readonly content: boolean | "if-compressed";
  /** Whether pages shall come by ascending address, for who writes them; where they stand in the input is then not told. */
  readonly sorted?: boolean;
  /** Who wants to see the packets themselves. */
  readonly watcher?: ChannelWatcher;
}

/** Called while multifd channels are read, for those who want more than their pages. */
export interface ChannelWatcher {
  /** Called with the first packet of each channel. */
  channel?(open: OpenChannel, initial: MultifdInitialPacket): void;
  /** Called with each packet behind its pages; so many of them came before since the last mark. */
  packet?(open: OpenChannel, packet: MultifdPacket, repeatedPages: number): void;
  /**
   * Called instead of failing: a channel is then read on behind the damage where a packet can be found, and is taken for ended otherwise.
   * `isEnd`: nothing in the channel is wrong, but it ends before a SYNC packet for which the main channel has a mark.
   */
  damage?(open: OpenChannel, error: FormatError, isEnd: boolean): void;
}

/** A block buffer for packets whose payloads are mostly passed over: what is read behind a header is wasted. */
const HEADER_BLOCK_BYTES = 4096;

/** How the main channel marks that all channels are at one point. */
export type SyncMarks = "flush" | "section";

/** A multifd channel while it is read. */
interface Channel {
  readonly open: OpenChannel;
  readonly totals: ChannelTotals;
  reader: MultifdChannelReader | undefined;
  /** The next packet, once it was read. */
  pending: MultifdPacket | undefined;
  /** Whether nothing more can be read of it. */
  isLost: boolean;
}

/** The visitor of the main channel that looks into the others at the right moments. */
export class ChannelMerger implements StreamVisitor {
  readonly #inner: StreamVisitor;
  readonly #options: MergerOptions;
  readonly #multifd: readonly Channel[];
  readonly #preempt: readonly OpenChannel[];
  readonly #newDecompressor: OpenChannels["newDecompressor"];
  readonly #runs: PacketRuns;
  readonly #preemptTotals: ChannelTotals[] = [];
  #blocks: ReadonlyMap<string, RamBlock> = new Map();
  #pageBytes = 0;
  #flushes = 0;
  /** Pages of this round, to see those that come twice. */
  #round = new Map<RamBlock, PageSet>();
  /** Marks on the main channel. */
  marks = 0;
  /** How the marks are made; `undefined` before the first RAM section ended. */
  kindOfMarks: SyncMarks | undefined;
  /** Pages that came twice between two marks. */
  repeatedPages = 0;
  /** Packets with pages behind the last mark. */
  latePackets = 0;

  /** Shows the pages of `channels` to `inner`, beside those of the main channel. */
  constructor(inner: StreamVisitor, channels: OpenChannels, options: MergerOptions) {
    this.#inner = inner;
    Object.assign(this, passedOn(inner));
    this.#options = options;
    this.#newDecompressor = channels.newDecompressor;
    const of = (role: string) => channels.channels.filter(({ channel }) => channel.role === role);
    this.#multifd = of("multifd").map((open) => ({
      open,
      totals: newTotals(open.channel),
      reader: undefined,
      pending: undefined,
      isLost: false,
    }));
    this.#preempt = of("preempt");
    this.#runs = new PacketRuns(options.sorted ?? false, (run) => this.#page(run));
  }

  /** What was in each channel. */
  get totals(): readonly ChannelTotals[] {
    return [...this.#multifd.map(({ totals }) => totals), ...this.#preemptTotals];
  }

  /** Takes the block list, which the channels' packets refer to. */
  blockList(blocks: readonly RamBlock[]): void {
    this.#blocks = new Map(blocks.map((block) => [block.name, block]));
    this.#inner.blockList?.(blocks);
  }

  /** Passes on, and looks into the other channels at a mark. */
  run(run: RamRun, pageBytes: number): void {
    if (pageBytes > 0) this.#pageBytes = pageBytes;
    if (run.block === undefined) this.#inner.run?.(run, pageBytes);
    else this.#page(run);
    if (run.kind === "flush") {
      this.#flushes += 1;
      this.#synchronise();
    } else if (run.kind === "eos" && this.#multifd.length > 0) {
      // The first section has a mark in any case.
      this.kindOfMarks ??= this.#flushes > 0 ? "flush" : "section";
      if (this.kindOfMarks === "section") this.#synchronise();
    }
  }

  #page(run: RamRun): void {
    const first = run.address / this.#pageBytes;
    let pages = this.#round.get(run.block!);
    if (pages === undefined) this.#round.set(run.block!, pages = new PageSet());
    if (this.#multifd.length > 0) {
      if (pages.hasAny(first, run.count)) this.repeatedPages += pages.count(first, run.count);
      pages.addRange(first, run.count);
    }
    this.#inner.run?.(run, this.#pageBytes);
  }

  /** Takes the packets of all channels up to their next SYNC. */
  #synchronise(): void {
    this.marks += 1;
    const waiting = new Set(this.#multifd);
    for (;;) {
      const channel = this.#earliest(waiting);
      if (channel === undefined) break;
      const packet = channel.pending!;
      channel.pending = undefined;
      this.#take(channel, packet);
      if (packet.kind === "ram" && packet.isSync) {
        channel.totals.syncs += 1;
        waiting.delete(channel);
      }
    }
    this.#round.clear();
  }

  /** The channel with the packet of the lowest number; each of them has to have one more. `undefined` where none is left. */
  #earliest(channels: Set<Channel>): Channel | undefined {
    let earliest: Channel | undefined;
    for (const channel of channels) {
      channel.pending ??= this.#next(channel);
      if (channel.pending === undefined) {
        // Whoever is not told of it has an error instead.
        if (!channel.isLost) this.#tell(channel, this.#missingSync(channel), true);
        channel.isLost = true;
        channels.delete(channel);
        continue;
      }
      if (earliest === undefined || numberOf(channel.pending) < numberOf(earliest.pending!)) {
        earliest = channel;
      }
    }
    return earliest;
  }

  /** The next packet of a channel; `undefined` at its end, and where damage can't be passed over. */
  #next(channel: Channel): MultifdPacket | undefined {
    while (!channel.isLost) {
      try {
        return this.#readerOf(channel).next();
      } catch (error) {
        if (!isFormatError(error)) throw error;
        this.#tell(channel, error, false);
        channel.isLost = channel.reader?.resume() !== true;
      }
    }
    return undefined;
  }

  /** Tells the watcher of damage; without one it is an error. */
  #tell({ open }: { readonly open: OpenChannel }, error: FormatError, isEnd: boolean): void {
    const { watcher } = this.#options;
    if (watcher?.damage === undefined) throw error;
    watcher.damage(open, error, isEnd);
  }

  #missingSync({ open, totals, reader }: Channel): FormatError {
    return new FormatError("bad-multifd", "The channel ends before its SYNC packet", {
      offset: reader?.offset ?? 0,
      path: [channelName(open)],
      expected: `SYNC packet ${this.marks}, for which the main channel has a mark`,
      found: `${totals.syncs} SYNC packet(s)`,
    });
  }

  #readerOf(channel: Channel): MultifdChannelReader {
    if (channel.reader !== undefined) return channel.reader;
    if (this.#pageBytes === 0) this.#pageBytes = inferPageBytes(channel.open.source);
    const reader = new ByteReader(channel.open.source, {
      blockBytes: this.#options.content === true ? MULTIFD_BLOCK_BYTES : HEADER_BLOCK_BYTES,
    });
    channel.reader = new MultifdChannelReader(reader, {
      blocks: this.#blocks,
      pageBytes: this.#pageBytes,
      content: this.#options.content,
      newDecompressor: this.#newDecompressor,
    });
    this.#options.watcher?.channel?.(channel.open, channel.reader.initial);
    return channel.reader;
  }

  #take(channel: Channel, packet: MultifdPacket): void {
    const before = this.repeatedPages;
    this.#add(channel, packet);
    const { watcher } = this.#options;
    watcher?.packet?.(channel.open, packet, this.repeatedPages - before);
  }

  #add({ open, totals }: Channel, packet: MultifdPacket): void {
    totals.packets += 1;
    totals.payloadBytes += packet.payloadBytes;
    if (packet.kind === "device-state") {
      totals.deviceStatePackets += 1;
      return;
    }
    totals.normalPages += packet.normal.length;
    totals.zeroPages += packet.zero.length;
    totals.contentBytes += packet.normal.length * this.#pageBytes;
    if (packet.normal.length > 0) totals.method = packet.method;
    this.#runs.emit(packet, this.#pageBytes, open.baseOffset);
  }

  /** After the main channel was read: takes what is left in the others. */
  finish(): void {
    for (const channel of this.#multifd) {
      for (;;) {
        const packet = channel.pending ?? this.#next(channel);
        channel.pending = undefined;
        if (packet === undefined) break;
        if (packet.kind === "ram" && hasPages(packet)) this.latePackets += 1;
        if (packet.kind === "ram" && packet.isSync) channel.totals.syncs += 1;
        this.#take(channel, packet);
      }
    }
    for (const open of this.#preempt) {
      try {
        this.#takeRecords(open);
      } catch (error) {
        if (!isFormatError(error)) throw error;
        this.#tell({ open }, error, false);
      }
    }
  }

  #takeRecords(open: OpenChannel): void {
    const totals = newTotals(open.channel);
    this.#preemptTotals.push(totals);
    const reader = new ByteReader(open.source, { path: [channelName(open)] });
    const context = { ...newRamContext(), pageBytes: this.#pageBytes || undefined };
    for (const [name, block] of this.#blocks) context.blocks.set(name, block);
    const scanner = new RamScanner(reader, context, DEFAULT_LIMITS);
    while (!reader.atEnd()) {
      const run = scanner.next();
      if (run.kind === "eos") break;
      if (run.kind !== "page" && run.kind !== "zero") {
        throw reader.error("bad-ram-record", "Not a record of a preempt channel", {
          offset: run.offset,
          expected: "PAGE or ZERO",
          found: run.kind,
        });
      }
      totals[run.kind === "page" ? "normalPages" : "zeroPages"] += run.count;
      totals.payloadBytes += run.kind === "page" ? run.count * run.dataBytes : 0;
      totals.contentBytes += run.kind === "page" ? run.count * run.dataBytes : 0;
      run.dataOffset += open.baseOffset;
      this.#page(run);
    }
  }

  /** What deserves attention about the channels. */
  get notes(): readonly string[] {
    const notes: string[] = [];
    const { marks, repeatedPages, latePackets } = this;
    if (repeatedPages > 0) {
      notes.push(
        `${repeatedPages} page(s) came twice between two synchronisation marks: the packet with the ` +
          "higher number counts",
      );
    }
    if (latePackets > 0) {
      notes.push(`${latePackets} packet(s) with pages behind the last synchronisation mark`);
    }
    for (const { open, totals } of this.#multifd) {
      if (totals.syncs === marks) continue;
      notes.push(`${channelName(open)} has ${totals.syncs} SYNC packet(s) for ${marks} mark(s)`);
    }
    const ids = new Set(this.#multifd.map(({ open }) => open.channel.channelId));
    for (let id = 0; id < ids.size; id++) {
      if (!ids.has(id)) notes.push(`multifd channel ${id} is not there`);
    }
    return notes;
  }

  /** Frees the decompressors. */
  [Symbol.dispose](): void {
    for (const { reader } of this.#multifd) reader?.[Symbol.dispose]();
  }
}

/** Packets of device state have no number, and no place among the pages. */
function numberOf(packet: MultifdPacket): number {
  return packet.kind === "ram" ? packet.packetNumber : -1;
}

function hasPages({ normal, zero }: MultifdRamPacket): boolean {
  return normal.length + zero.length > 0;
}

/** A channel in the path of errors and in notes. */
export function channelName({ channel }: OpenChannel): string {
  return channel.role === "multifd" ? `multifd channel ${channel.channelId}` : "preempt channel";
}

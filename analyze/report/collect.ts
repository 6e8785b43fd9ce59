/**
 * Reads an input for a report: once for what is in it, and once to check it.
 *
 * @module
 */

import type { OpenInput } from "../../container/open.ts";
import type { StreamItem } from "../../format/items.ts";
import type { RamBlock } from "../../format/ram.ts";
import type { RamRun } from "../../format/ram_scanner.ts";
import { escapeText } from "../../format/text.ts";
import type { Vmdescription } from "../../format/vmdescription.ts";
import { readInputSteps } from "../channels/read_input.ts";
import { infoOf, slackSearchBytes } from "../info.ts";
import { InfoCollector } from "../info_collector.ts";
import type { StreamInfo } from "../info_model.ts";
import { UnknownMapError } from "../memory/guest.ts";
import { findMachineMap } from "../memory/machine_map.ts";
import { PageSet } from "../memory/page_set.ts";
import type { StreamState } from "../state.ts";
import { validateSteps } from "../validate/validate.ts";
import { blockModels } from "./blocks.ts";
import { cpuModels, deviceModels } from "./devices.ts";
import { factsOf, sizesOf } from "./facts.ts";
import { sentence } from "./field_text.ts";
import type { ChannelModel, PhysicalModel, SideModel } from "./model.ts";
import { PassCounter } from "./passes.ts";
import { StripBuilder } from "./strip.ts";
import { validationModel } from "./validation.ts";

/** How an input is read for a report. */
export interface SideOptions {
  /** A description from elsewhere. */
  readonly vmdescription?: Vmdescription | undefined;
  /** Whether slack is looked for however much there is to read. */
  readonly slack?: boolean;
  /** Characters that the tree of devices may take. */
  readonly treeCharacters?: number;
}

/** Characters that the tree of devices may take by default; that of a usual guest takes a fifth of it. */
export const TREE_CHARACTERS: number = 1024 * 1024;
/** Channels, and ranges of physical addresses, that are shown. */
const MAX_ROWS = 256;

/** An overview's collector that keeps what a report shows beyond it. */
class ReportCollector extends InfoCollector {
  readonly passes: PassCounter;
  readonly slackSets = new Map<RamBlock, PageSet>();

  constructor(slackBytes: number, hasChannels: boolean) {
    super(slackBytes);
    this.passes = new PassCounter(hasChannels);
  }

  override run(run: RamRun, pageBytes: number): void {
    const before = this.resentPages;
    super.run(run, pageBytes);
    this.passes.add(run, pageBytes, this.resentPages - before);
  }

  override slackPage(block: RamBlock, page: number): void {
    let pages = this.slackSets.get(block);
    if (pages === undefined) this.slackSets.set(block, pages = new PageSet());
    pages.add(page);
  }
}

/**
 * Reads an input in steps of an item each. It has to be able to give any byte again; damage is told, never thrown.
 */
export function* reportSideSteps(
  input: OpenInput,
  options: SideOptions = {},
): Generator<StreamItem, SideModel, undefined> {
  const { slack = false, vmdescription, treeCharacters = TREE_CHARACTERS } = options;
  const collector = new ReportCollector(
    slackSearchBytes(slack),
    input.pageChannels !== undefined,
  );
  const read = yield* readInputSteps(input, {
    keepGoing: true,
    ...(vmdescription === undefined ? {} : { vmdescription }),
    visitor: collector,
    pages: { content: false },
    onItem: (item) => collector.item(item),
  });
  const { state } = read;
  const info = infoOf(input, collector, read);
  // The check goes on behind damage, so it sees more of the input.
  const strip = new StripBuilder(input.streamOffset);
  const checking = validateSteps(input, { slack, vmdescription });
  let step = checking.next();
  for (; step.done !== true; step = checking.next()) {
    strip.add(step.value);
    yield step.value;
  }
  const { pageBytes, blocks = [] } = state;
  const tables = pageBytes === undefined
    ? undefined
    : new Map(blocks.map((block) => [block, collector.table(block, pageBytes)]));
  const physical = physicalModels(info, state);
  return {
    path: escapeText(input.path),
    facts: factsOf(info),
    sizes: sizesOf(info),
    strip: strip.finish(input.source.sizeBytes),
    pageBytes: pageBytes ?? null,
    ...blockModels(blocks, tables, collector),
    physical: physical.ranges,
    physicalNotes: physical.notes,
    passes: collector.passes.passes,
    passOrigin: collector.passes.origin,
    resentPages: collector.resentPages,
    channels: channelModels(info),
    validation: validationModel(step.value),
    ...deviceModels(state, info.sections, { left: treeCharacters }),
    ...cpuModels(state),
    notes: info.notes.map(sentence),
    error: state.error === undefined ? null : sentence(state.error.describe()),
  };
}

function channelModels({ pageChannels }: StreamInfo): ChannelModel[] {
  return (pageChannels?.channels ?? []).slice(0, MAX_ROWS).map((channel) => ({
    name: channel.channelId === null ? channel.role : `${channel.role} ${channel.channelId}`,
    method: channel.method,
    packets: channel.packets,
    normal: channel.normalPages,
    zero: channel.zeroPages,
    payloadBytes: channel.payloadBytes,
    contentBytes: channel.contentBytes,
  }));
}

function physicalModels(
  { machine }: StreamInfo,
  state: StreamState,
): { ranges: readonly PhysicalModel[]; notes: readonly string[] } {
  const { blocks = [] } = state;
  if (blocks.length === 0) return { ranges: [], notes: [] };
  try {
    const { map, notes } = findMachineMap({ machine: machine ?? undefined, blocks, state });
    const ranges = map.ranges.slice(0, MAX_ROWS).map((range) => ({
      guestAddress: range.guestAddress,
      lengthBytes: range.lengthBytes,
      block: escapeText(range.block.name),
      blockAddress: range.blockAddress,
    }));
    return { ranges, notes: notes.map(sentence) };
  } catch (error) {
    if (!(error instanceof UnknownMapError) && !(error instanceof RangeError)) throw error;
    return { ranges: [], notes: ["where the blocks stand in the guest's memory is not known"] };
  }
}

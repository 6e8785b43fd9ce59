/**
 * The files of a captured migration, before anything but their first bytes is read, and return paths.
 *
 * @module
 */

import type { OpenReturnPath } from "../../../container/channels.ts";
import { MULTIFD_START } from "../../../container/recognise.ts";
import type { CapturedChannel } from "../../../container/wrapper.ts";
import { type FormatError, isFormatError } from "../../../format/error.ts";
import type { StreamItem } from "../../../format/items.ts";
import { MULTIFD_INITIAL_BYTES, MULTIFD_MAGIC } from "../../../format/multifd/initial_packet.ts";
import { readReturnPath } from "../../../format/return_path.ts";
import { quoteText } from "../../../format/text.ts";
import type { Check, CheckContext } from "../check.ts";
import type { RuleId } from "../rule.ts";
import { ruleOfError } from "../rule_of_error.ts";

/** Where number and UUID stand in a first packet. */
const ID_OFFSET = 24;
const UUID_OFFSET = 8;

/** Checks what the files of a capture are: MFD-001, 003, 004, 022, 028 and 029. */
export function channelFilesCheck(context: CheckContext): Check {
  const { channels, returnPaths = [] } = context.input;
  if (channels.length === 0) return {};
  let broken = 0;
  for (const channel of channels) {
    if (channel.role === "unknown" && isBroken(channel, context)) broken += 1;
  }
  for (const returnPath of returnPaths) checkReturnPath(returnPath, context);
  checkNumbers(channels, broken, context);
  let uuid: string | undefined;
  return {
    item: (item: StreamItem) => {
      if (item.kind !== "configuration") return;
      for (const subsection of item.configuration.subsections) {
        if (subsection.name === "configuration/uuid") uuid = uuidText(subsection.uuid);
      }
    },
    end: () => checkUuids(channels, uuid, context),
  };
}

/** `broken`: channels whose number is not known. */
function checkNumbers(
  channels: readonly CapturedChannel[],
  broken: number,
  context: CheckContext,
): void {
  const multifd = channels.filter(({ role }) => role === "multifd");
  const count = multifd.length + broken;
  const seen = new Map<number, CapturedChannel>();
  for (const channel of multifd) {
    const { channelId = -1, path } = channel;
    const at = { offset: ID_OFFSET, path: [`file ${quoteText(path)}`] };
    const before = seen.get(channelId);
    if (before !== undefined) {
      const message = `Two channels have the number ${channelId}`;
      context.report("MFD-004", { ...at, message, found: `also in ${quoteText(before.path)}` });
    } else if (channelId >= count) {
      context.report("MFD-003", {
        ...at,
        message: "The channel has a number that is too large, or others are missing",
        expected: `below ${count}, the number of channels`,
        found: String(channelId),
      });
    }
    seen.set(channelId, channel);
  }
}

/** Whether a file in which nothing was recognised is a channel whose first packet is damaged. */
function isBroken({ path, head }: CapturedChannel, context: CheckContext): boolean {
  if (head === undefined) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const hasMagic = (at: number) => head.length >= at + 4 && view.getUint32(at) === MULTIFD_MAGIC;
  if (!hasMagic(0) && !hasMagic(MULTIFD_INITIAL_BYTES)) return false;
  const isWhole = head.length >= MULTIFD_INITIAL_BYTES;
  const rule: RuleId = isWhole ? "MFD-001" : "MFD-022";
  context.report(rule, {
    offset: isWhole ? 0 : head.length,
    path: [`file ${quoteText(path)}`],
    message: isWhole
      ? "The first packet of a multifd channel has another magic number or version"
      : "The multifd channel ends in its first packet",
    expected: isWhole ? quoteText(MULTIFD_START) : `${MULTIFD_INITIAL_BYTES} bytes`,
    found: isWhole ? quoteText(String.fromCharCode(...head.subarray(0, 8))) : `${head.length}`,
  });
  return true;
}

function checkReturnPath({ path, source }: OpenReturnPath, context: CheckContext): void {
  try {
    // Reading finds the damage.
    for (const _ of readReturnPath(source));
  } catch (error) {
    if (!isFormatError(error)) throw error;
    const { offset, message, expected, found, path: where }: FormatError = error;
    const place = [`file ${quoteText(path)}`, ...where];
    context.report(ruleOfError(error), { offset, path: place, message, expected, found });
  }
}

function checkUuids(
  channels: readonly CapturedChannel[],
  configured: string | undefined,
  context: CheckContext,
): void {
  const multifd = channels.filter(({ role }) => role === "multifd");
  const expected = configured ?? multifd[0]?.uuid;
  for (const { uuid, path } of multifd) {
    if (uuid === expected) continue;
    context.report("MFD-029", {
      offset: UUID_OFFSET,
      path: [`file ${quoteText(path)}`],
      message: configured === undefined
        ? "The channels carry different UUIDs"
        : "The channel carries another UUID than the configuration",
      expected: expected ?? "none",
      found: uuid ?? "none",
    });
  }
}

function uuidText(bytes: Uint8Array): string | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  return bytes.toHex().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

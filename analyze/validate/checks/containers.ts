/**
 * What is wrapped around a stream, as far as it can still be opened.
 *
 * @module
 */

import { isTrailingNote } from "../../../container/decompress/decompressor.ts";
import { SnapshotStateSource } from "../../../container/qcow2/state_source.ts";
import type { LibvirtWrapper, Qcow2Wrapper, Wrapper } from "../../../container/wrapper.ts";
import { configuredCapabilities } from "../../../format/configuration.ts";
import type { StreamItem } from "../../../format/items.ts";
import { quoteText } from "../../../format/text.ts";
import type { Check, CheckContext } from "../check.ts";

/** Where the format stands in a header of libvirt. */
const FORMAT_OFFSET = 28;

/** Checks CON-005, 007, 009 and 010, and QCW-002 and 003. */
export function containersCheck(context: CheckContext): Check {
  const { wrappers } = context.input;
  if (wrappers.length === 0) return {};
  const libvirt = wrappers.find((each) => each.kind === "libvirt");
  const qcow2 = wrappers.find((each) => each.kind === "qcow2");
  if (libvirt !== undefined) checkLibvirt(libvirt, wrappers, context);
  let hasMappedRam = false;
  let hasConfiguration = false;
  let trailing: StreamItem | undefined;
  return {
    item: (item: StreamItem) => {
      if (item.kind === "configuration") {
        hasConfiguration = true;
        hasMappedRam = configuredCapabilities(item.configuration).includes("mapped-ram");
      }
      if (item.kind === "trailing" && item.depth === 0) trailing = item;
    },
    end: () => {
      if (libvirt !== undefined && hasConfiguration) checkSparse(libvirt, hasMappedRam, context);
      if (qcow2 !== undefined) checkHoles(qcow2, context);
      if (qcow2 !== undefined && trailing !== undefined) checkEnd(qcow2, trailing, context);
      for (const note of context.input.notes.filter(isTrailingNote)) {
        context.report("CON-010", { offset: 0, path: [context.input.container], message: note });
      }
    },
  };
}

function checkLibvirt(
  libvirt: LibvirtWrapper,
  wrappers: readonly Wrapper[],
  context: CheckContext,
): void {
  const { format, offset, oddByteOffset } = libvirt;
  const path = ["libvirt save image"];
  const inside = wrappers[wrappers.indexOf(libvirt) + 1];
  const isPlain = format === "raw" || format === "sparse";
  const expected = isPlain ? undefined : format;
  const found = inside?.kind === "compression" ? inside.compression : inside?.kind;
  if (expected !== found) {
    context.report("CON-005", {
      offset: offset + FORMAT_OFFSET,
      path,
      message: "The format in the header is not that of the data",
      expected: found ?? "raw or sparse",
      found: format,
    });
  }
  if (oddByteOffset !== undefined) {
    const message = "A byte that libvirt leaves empty is not zero";
    context.report("CON-009", { offset: oddByteOffset, path, message, expected: "00" });
  }
}

function checkSparse(
  { format, offset }: LibvirtWrapper,
  hasMappedRam: boolean,
  context: CheckContext,
): void {
  if ((format === "sparse") === hasMappedRam) return;
  context.report("CON-007", {
    offset: offset + FORMAT_OFFSET,
    path: ["libvirt save image"],
    message: hasMappedRam
      ? "The stream has mapped-ram, but the format in the header is not sparse"
      : "The format in the header is sparse, but the stream has no mapped-ram",
    expected: hasMappedRam ? "sparse" : "raw",
    found: format,
  });
}

/** A state that reads as zeros in places has lost clusters: nothing in a stream is that long and zero. */
function checkHoles({ offset, snapshot }: Qcow2Wrapper, context: CheckContext): void {
  const { source } = context.input;
  const firstHole = source instanceof SnapshotStateSource ? source.firstHole() : undefined;
  if (snapshot === undefined || firstHole === undefined) return;
  context.report("QCW-002", {
    offset,
    path: ["qcow2 image", `snapshot ${quoteText(snapshot.name)}`],
    message: "A cluster of the saved state is not in the image and reads as zeros",
    found: `from byte ${firstHole} of the state on`,
  });
}

function checkEnd(
  { snapshot }: Qcow2Wrapper,
  { offset, lengthBytes }: StreamItem,
  context: CheckContext,
): void {
  context.report("QCW-003", {
    offset,
    path: ["qcow2 image", `snapshot ${quoteText(snapshot?.name ?? "")}`],
    message: "The saved state goes on behind the stream",
    expected: `${offset} bytes`,
    found: `${lengthBytes} more`,
  });
}

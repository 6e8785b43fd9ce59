/**
 * The section `globalstate`: the run state of the source.
 *
 * @module
 */

import { isFormatError } from "../../../format/error.ts";
import {
  decodeGlobalState,
  GLOBAL_STATE_BYTES,
  GLOBAL_STATE_IDSTR,
  type GlobalState,
  RUN_STATES,
} from "../../../format/global_state.ts";
import type { SectionItem, StreamItem } from "../../../format/items.ts";
import { ByteReader } from "../../../format/reader.ts";
import { BytesSource } from "../../../format/source.ts";
import { encodeText, quoteText } from "../../../format/text.ts";
import type { Check, CheckContext, StreamEnd } from "../check.ts";

/** Checks SEC-020, SEC-022 and SEC-023. */
export function globalStateCheck(context: CheckContext): Check {
  let hasConfiguration = false;
  let hasDevices = false;
  let isThere = false;
  return {
    item: (item: StreamItem) => {
      if (item.kind === "configuration") hasConfiguration = true;
      if (item.kind !== "section" || item.type !== "full") return;
      hasDevices = true;
      if (item.section.idstr !== GLOBAL_STATE_IDSTR) return;
      isThere = true;
      checkGlobalState(context, item);
    },
    end: ({ offset }: StreamEnd) => {
      // Machine types that have no configuration need not have it, either.
      if (isThere || !hasConfiguration || !hasDevices || context.isDamaged) return;
      context.report("SEC-020", { offset, message: 'There is no section "globalstate"' });
    },
  };
}

function checkGlobalState(context: CheckContext, item: SectionItem): void {
  const bytes = item.device?.bytes ?? item.bytes;
  if (bytes?.length !== GLOBAL_STATE_BYTES) return;
  const { section: { id, idstr }, payloadOffset } = item;
  const path = [`section ${id} ${quoteText(idstr)}`];
  let state: GlobalState;
  try {
    state = decodeGlobalState(new ByteReader(new BytesSource(bytes)));
  } catch (error) {
    if (!isFormatError(error)) throw error;
    const message = "The run state has no end";
    context.report("SEC-022", { offset: payloadOffset + 4, path, message, expected: "a NUL" });
    return;
  }
  const { runState, sizeBytes, padding } = state;
  const length = encodeText(runState).length;
  if (!RUN_STATES.some((known) => known === runState)) {
    context.report("SEC-022", {
      offset: payloadOffset + 4,
      path,
      message: "QEMU has no such run state",
      found: quoteText(runState),
    });
  }
  if (sizeBytes !== length + 1) {
    context.report("SEC-023", {
      offset: payloadOffset,
      path,
      message: "The size is not that of the run state",
      expected: `${length + 1}`,
      found: `${sizeBytes}`,
    });
  }
  if (padding !== undefined) {
    const message = "The bytes behind the run state are not all zero";
    context.report("SEC-023", { offset: payloadOffset + 5 + length, path, message, expected: "0" });
  }
}

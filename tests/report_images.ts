/**
 * Images for tests of reports.
 *
 * @module
 */

import { buildImage } from "../analyze/image/build.ts";
import type { GuestImage } from "../analyze/image/image.ts";
import type { VmsdDescription } from "../format/vmdescription.ts";

/** What would run, or end an element, if it came into a page as HTML. */
export const HOSTILE_TEXTS = [
  "</script><script>window.hacked=1</script>",
  '<img src=x onerror="window.hacked=1">',
  '"><svg onload=window.hacked=1>',
  "<!--<script>",
  "\u202eevil\u0007\u2028",
] as const;

/** An image whose names and values all are {@link HOSTILE_TEXTS}. */
export function hostileImage(): GuestImage {
  const [script, img, svg] = HOSTILE_TEXTS;
  return buildImage({
    machine: script,
    blocks: HOSTILE_TEXTS.map((name) => ({ name, sizeBytes: 64 * 1024, content: [] })),
    sections: HOSTILE_TEXTS.map((idstr) => ({
      idstr,
      description: hostileDescription(idstr, img, svg),
      values: {
        text: new Uint8Array([...new TextEncoder().encode(script), ...Array(64)]).slice(0, 64),
      },
    })),
  });
}

function hostileDescription(vmsdName: string, name: string, type: string): VmsdDescription {
  return {
    vmsdName,
    version: 1,
    fields: [
      { name, type, sizeBytes: 4, inline: [] },
      { name: "text", type: "buffer", sizeBytes: 64, inline: [] },
    ],
    subsections: [],
  };
}
